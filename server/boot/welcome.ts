/** What a browser is shown at `/`: what this is, and how to talk to it. */
export const welcome = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Parley</title>
<style>
body { font: 1.05rem/1.6 system-ui, sans-serif; max-width: 42rem; margin: 12vh auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin-bottom: 0.25rem; }
pre { padding: 0.75rem 1rem; border-radius: 0.5rem; background: color-mix(in srgb, currentColor 8%, transparent); overflow-x: auto; }
</style>
</head>
<body>
<h1>Parley is running</h1>
<p>A typed backend for conversations with an AI agent. Talk to it from another terminal:</p>
<pre>npm run parley -- chat</pre>
<p>Follow a conversation live, from anywhere:</p>
<pre>npm run parley -- watch CONVERSATION</pre>
<p>For programs: <a href="/openapi.json">OpenAPI</a>, <a href="/healthz">health</a>, <a href="/readyz">readiness</a>,
<a href="/metrics">metrics</a>.</p>
</body>
</html>
`;
