/** What a browser is shown at `/` where the console has not been built. */
export const welcome = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Parley</title>
</head>
<body>
<h1>Parley is running</h1>
<p>The console, a page to talk to it, is not built here. <code>npm start</code> builds it before it starts a server;
<code>node server/boot/build.mjs</code> only builds it.</p>
<p>From a terminal: <code>npm run parley -- chat</code></p>
<p>For programs: <a href="/openapi.json">OpenAPI</a>, <a href="/healthz">health</a>, <a href="/readyz">readiness</a>,
<a href="/metrics">metrics</a>.</p>
</body>
</html>
`;
