"""Runs the cases of the Autobahn test suite, as kosoku has them, on a server that echoes.

usage: kosoku_cases.py ADDRESS

Says how many cases came to which verdict, and each that is not the strictest one. Cases 12 and 13
are about compression, which is an extension of its own.
"""

import asyncio
import collections
import sys

import kosoku


async def main(address):
    """Runs all cases, four at a time, since some of them wait for seconds."""
    try:
        results = await kosoku.run_fuzzingclient(
            address, None, ["12.*", "13.*"], concurrency=4
        )
    except kosoku.FailureError as failure:
        results = failure.results
    verdicts = collections.Counter()
    for result in results:
        verdict = f"{result.behavior.value}, closed {result.behavior_close.value}"
        verdicts[verdict] += 1
        if verdict != "OK, closed OK":
            print(f"{result.case_id}: {verdict}")
    for verdict, count in sorted(verdicts.items()):
        print(f"{count} cases: {verdict}")


asyncio.run(main(sys.argv[1]))
