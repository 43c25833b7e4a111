"""What it takes to begin: to import, to open. A child of `run.py`, which prints one JSON object.

    python benchmarks/startup.py none         CPU seconds of a process that imports trio and httpx
    python benchmarks/startup.py import       and of one that imports understudy besides
    python benchmarks/startup.py open 1000    CPU seconds of opening a router with so many model keys, and its memory

Nothing else is imported before that is known. Then the core's speed is told, too.
"""

import os
import sys
import time

if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):  # as `measuring.pin` does, which imports too much to be imported here
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

    import httpx
    import trio

    if sys.argv[1] != "none":
        import understudy

    seconds = time.process_time()
    told = {"seconds": seconds, "version": f"trio {trio.__version__}, httpx {httpx.__version__}"}

    if sys.argv[1] == "open":
        config = {
            "model_list": [
                {
                    "model_name": f"m{number}",
                    "model": "openai/m",
                    "api_base": "http://127.0.0.1:9/v1",
                    "api_key": f"sk-nobody-{number}",
                }
                for number in range(int(sys.argv[2]))
            ]
        }

        async def main() -> None:
            began = time.process_time()
            async with understudy.open_router(config):
                told["seconds"] = time.process_time() - began
                with open("/proc/self/statm", encoding="ascii") as file:  # noqa: ASYNC230, PTH123
                    told["resident"] = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

        trio.run(main)

    import json

    from measuring import Core

    print(json.dumps({**told, "count": 1, "loops": [Core().loop()]}))
