// Context7's SDK and its server for the Model Context Protocol.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Context7 } from '@upstash/context7-sdk';

const servers = JSON.parse(process.env.SANDBOX);
const [url, apiKey] = [servers.context7_base_url, servers.context7_api_key];
// The address is a constant of the SDK.
const { fetch } = globalThis;
globalThis.fetch = (asked, options) => fetch(String(asked).replace('https://context7.com/api', url), options);
const client = new Context7({ apiKey });
const RETRY = '/contexter-rs/contexter-retry';
const said = {};

said.found = (await client.searchLibrary('retry with backoff', 'contexter retry'))[0].id;
said.found_as_text = await client.searchLibrary('retry with backoff', 'contexter retry', { type: 'txt' });
const docs = await client.getContext('how to retry', RETRY);
said.docs = docs.length > 1 && docs.every(({ title, content, source }) => title && content && source);
said.docs_as_text = await client.getContext('how to retry', RETRY, { type: 'txt' });

const refused = (call) => call.then(() => 'nothing', (error) => error.message);
said.refused = [
  await refused(client.getContext('how to retry', '/nobody/nothing')),
  await refused(new Context7({ apiKey: 'ctx7sk-wrong' }).getContext('how to retry', RETRY)),
];

const server = spawn(process.execPath, ['node_modules/@upstash/context7-mcp/dist/index.js'], {
  env: { ...process.env, CONTEXT7_API_URL: url, CONTEXT7_API_KEY: apiKey },
  stdio: ['pipe', 'pipe', 'ignore'],
});
const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]();
const send = (message) => server.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
let asked = 0;
const call = async (method, params) => {
  const id = ++asked;
  send({ id, method, params });
  for (;;) {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the server ended before it answered ${method}`);
    const message = JSON.parse(value);
    if (message.id === id) return message.result ?? message.error;
  }
};
const clientInfo = { name: 'contexter', version: '1' };
await call('initialize', { protocolVersion: '2025-06-18', capabilities: {}, clientInfo });
send({ method: 'notifications/initialized' });
said.tools = (await call('tools/list', {})).tools.map(({ name }) => name).sort();
const use = async (name, args) => (await call('tools/call', { name, arguments: args })).content[0].text;
said.resolved = await use('resolve-library-id', { query: 'retry', libraryName: 'contexter retry' });
said.queried = await use('query-docs', { query: 'how to retry', libraryId: RETRY });
server.stdin.end();
if (server.exitCode === null) await once(server, 'exit');
console.log(JSON.stringify(said));
