"""Bright Data's SDK: pages now and later, searches, crawls, jobs of data sets, zones."""

import asyncio
import json
import os

from brightdata import BrightDataClient
from brightdata.core.engine import AsyncEngine
from brightdata.scrapers.api_client import DatasetAPIClient

servers = json.loads(os.environ["SANDBOX"])
base, key = servers["brightdata_base_url"], servers["brightdata_api_key"]
# The address is a constant of the SDK, in several places.
for place, name in [
    (AsyncEngine, "BASE_URL"),
    (DatasetAPIClient, "TRIGGER_URL"),
    (DatasetAPIClient, "STATUS_URL"),
    (DatasetAPIClient, "RESULT_URL"),
]:
    setattr(place, name, getattr(place, name).replace("https://api.brightdata.com", base))

PAGE = "https://docs.example.com/guide/install"
COPY = "https://docs.example.com/guide/copy"


async def ready(ask) -> str:
    for _ in range(600):
        status = await ask()
        if status in ("ready", "failed", "error"):
            return status
        await asyncio.sleep(0.05)
    return "never"


async def main() -> dict:
    said = {}
    given = {
        "web_unlocker_zone": servers["brightdata_zone"],
        "serp_zone": os.environ["SERP_ZONE"],
        "auto_create_zones": False,
    }
    async with BrightDataClient(token=key, **given) as client:
        said["connected"] = await client.test_connection()
        said["zones"] = sorted(zone["name"] for zone in await client.list_zones())
        page = await client.scrape_url(PAGE)
        said["scraped"] = [page.success, "<h1>Installing Ferry</h1>" in page.data]
        page = await client.scrape_url(PAGE, country="de", response_format="json")
        said["as_json"] = [page.success, page.data["status_code"]]
        pages = await client.scrape_url([PAGE, COPY])
        said["many"] = [page.success for page in pages]
        page = await client.scrape_url(COPY, mode="async", poll_interval=1)
        said["later"] = [page.success, "Copying a folder" in page.data]

        said["found"] = {}
        for engine, mode in [("google", "sync"), ("google", "async"), ("bing", "sync")]:
            search = getattr(client.search, engine)
            found = await search(query="packages for Debian", mode=mode, poll_interval=1)
            first = found.data[0] if found.success and found.data else {}
            said["found"][f"{engine} {mode}"] = [found.error, first.get("url")]

        crawl = await client.crawler.crawl(urls=PAGE)
        said["crawled"] = crawl.data[0]["markdown"].splitlines()[0]
        job = await client.crawler.trigger(urls=[PAGE, COPY])
        said["crawl"] = await ready(lambda: client.crawler.status(job.snapshot_id))
        said["pages"] = len((await client.crawler.download(job.snapshot_id)).data)

        shop = client.scrape.amazon
        job = await shop.products_trigger("https://www.amazon.com/dp/B0CRMZHDG8")
        said["job"] = await ready(lambda: shop.products_status(job.snapshot_id))
        said["records"] = len(await shop.products_fetch(job.snapshot_id))

    # As it is by default, it makes the zones that it wants.
    async with BrightDataClient(token=key) as client:
        said["own"] = (await client.scrape_url(PAGE)).success
        said["own_search"] = (await client.search.google(query="Debian")).data[0]["url"]
        await client.delete_zone("sdk_serp")
        said["own_zones"] = sorted(zone["name"] for zone in await client.list_zones())

    async with BrightDataClient(token="a-wrong-key", **given) as client:
        said["wrong"] = await client.test_connection()
    return said


print(json.dumps(asyncio.run(main())))
