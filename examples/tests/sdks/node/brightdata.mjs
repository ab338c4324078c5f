// Bright Data's SDK: pages, searches, jobs of data sets, zones.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { bdclient } from '@brightdata/sdk';

const servers = JSON.parse(process.env.SANDBOX);
// The address is a constant of the SDK.
const constants = resolve('node_modules/@brightdata/sdk/dist/esm/utils/constants.mjs');
const { API_ENDPOINT } = await import(pathToFileURL(constants));
for (const [name, url] of Object.entries(API_ENDPOINT)) {
  API_ENDPOINT[name] = url.replace('https://api.brightdata.com', servers.brightdata_base_url);
}
const PAGE = 'https://docs.example.com/guide/install';
const COPY = 'https://docs.example.com/guide/copy';
const quiet = { logLevel: 'CRITICAL' };
const client = new bdclient({
  ...quiet,
  apiKey: servers.brightdata_api_key,
  webUnlockerZone: servers.brightdata_zone,
  serpZone: process.env.SERP_ZONE,
  autoCreateZones: false,
});
const said = {};

said.zones = (await client.listZones()).map(({ name }) => name).sort();
said.scraped = (await client.scrape(PAGE)).includes('<h1>Installing Ferry</h1>');
said.markdown = (await client.scrape(PAGE, { dataFormat: 'markdown' })).split('\n')[0];
said.as_json = (await client.scrape(PAGE, { format: 'json', country: 'DE' })).status_code;
said.many = (await client.scrape([PAGE, COPY])).map((page) => typeof page);
said.searched = (await client.search('packages for Debian', { format: 'json' })).status_code;

const shop = client.datasets.amazon;
const input = ['https://www.amazon.com/dp/B0CRMZHDG8'];
const job = await shop.collectProducts(input, { async: true, includeErrors: true });
let status = 'starting';
while (['starting', 'running'].includes(status)) {
  await new Promise((wake) => setTimeout(wake, 50));
  ({ status } = await client.datasets.snapshot.getStatus(job.snapshot_id));
}
said.job = status;
const folder = await mkdtemp(join(tmpdir(), 'contexter-sdk-'));
const file = await client.datasets.snapshot.download(job.snapshot_id, {
  filename: join(folder, 'records.json'), format: 'json',
});
said.records = JSON.parse(await readFile(file, 'utf8')).length;
await rm(folder, { recursive: true });

// As it is by default, it makes the zones that it wants.
const own = new bdclient({ ...quiet, apiKey: servers.brightdata_api_key });
said.own = (await own.scrape(PAGE)).includes('Installing Ferry');
said.own_search = (await own.search('Debian')).includes('results');
said.own_zones = (await own.listZones()).map(({ name, type }) => `${name} ${type}`).sort();

const wrong = new bdclient({ ...quiet, apiKey: 'a-wrong-key-0123456789', autoCreateZones: false, webUnlockerZone: 'web_unlocker1' });
said.wrong = await wrong.scrape(PAGE).then(() => 'nothing', (error) => error.name);
console.log(JSON.stringify(said));
