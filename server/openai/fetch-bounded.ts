/** Of an answer that is no success, this much is read, in bytes. */
const refusalBytes = 65_536;

/** `fetch`, except that of a refusal no more than its beginning is read. */
export async function fetchBounded(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.ok || response.body === null) return response;
  const body = response.body.getReader();
  const pieces: Uint8Array[] = [];
  for (let size = 0; size < refusalBytes; ) {
    const { value, done } = await body.read();
    if (done) break;
    pieces.push(value);
    size += value.byteLength;
  }
  body.cancel().catch(() => undefined);
  return new Response(Buffer.concat(pieces), { status: response.status, headers: response.headers });
}
