"""Stands for the process of a long run: tells steps as the real one does, and computes nothing.

The name of the request says what it does: ``steps N`` counts to N, a step a line in ``run/steps``, so that
who goes on counts on; ``fail``, ``crash`` and ``wait`` do that.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path

STEP_S = 0.05


def main() -> None:
    """Do what the request says."""
    folder = Path(sys.stdin.readline().strip())
    if not folder.name:
        return
    stop = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            if line.strip() == "stop":
                stop.set()
        os._exit(75)

    threading.Thread(target=listen, daemon=True).start()
    (folder / "run").mkdir(exist_ok=True)
    (folder / "run" / f"pid-{os.getpid()}").touch()
    name = json.loads((folder / "request.json").read_text(encoding="utf-8"))["name"]
    if name == "fail":
        tell("failed", kind="StudyError", message="the study cannot be used.")
    elif name == "crash":
        os._exit(9)
    else:
        count(folder, int(name.rpartition(" ")[2]), stop)


def count(folder: Path, total: int, stop: threading.Event) -> None:
    """Count on from what is on the disk."""
    path = folder / "run" / "steps"
    done = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    if done:
        tell("note", text=f"Went on at step {done + 1}.")
    while done < total and not stop.is_set():
        time.sleep(STEP_S)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{done}\n")
        done += 1
        progress = {"done": done, "total": total, "rate": 20.0, "eta_s": 1.0, "unit": "people"}
        tell("progress", **progress, trials_done=done, trials=total, phase="counting")
        result = {"kind": "trial", "preliminary": True, "stopped": False, "seed": 1, "steps": done}
        (folder / "partial.json").write_text(json.dumps(result), encoding="utf-8")
        tell("partial", **result)
    whole = {"kind": "trial", "preliminary": False, "stopped": done < total, "seed": 1, "steps": done}
    (folder / "result.json").write_text(json.dumps(whole), encoding="utf-8")
    tell("done", state="finished" if done >= total else "stopped")


def tell(event: str, **data: object) -> None:
    """Write an event."""
    print(json.dumps({"event": event, "data": data}), flush=True)


if __name__ == "__main__":
    main()
