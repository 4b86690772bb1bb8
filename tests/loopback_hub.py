"""A small Hub on loopback, served as huggingface.co lays out its addresses; the real clients speak HTTP to it."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """A server in a thread, of ``datasets/<owner>/<name>/...`` and ``models/...`` in ``folder``, at ``address``.

    ``fault`` of a request's path is the failure to play: None, a status code, ``gated``, ``cut`` (half of the body) or
    ``silent`` (no answer until the end).
    """

    def __init__(self, folder: Path, fault: Callable[[str], object] = lambda path: None):
        self.folder, self.fault, self.requests = folder, fault, []
        self.ended = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        path, self.body = self.path.partition("?")[0], self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.hub.requests.append(f"{self.command} {path}")
        fault = self.hub.fault(path)
        found = re.fullmatch(r"/(api/)?(datasets/|models/)?([^/]+/[^/]+)(?:/(.*))?", path)
        folder = self.hub.folder / (found[2] or "models/") / found[3] if found else None
        if fault == "silent":
            self.hub.ended.wait(60)
            self.close_connection = True
        elif fault == "gated":
            self.send(403, b"gated", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted."})
        elif isinstance(fault, int):
            self.send(fault, b"no", {"Retry-After": "3600"} if fault == 429 else {})
        elif folder is None or not folder.is_dir():
            self.send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif found[1]:
            self.api(folder, found[3], found[4] or "")
        else:
            self.file(folder / found[4].split("/", 2)[-1], cut=fault == "cut")

    do_HEAD = do_GET = do_POST = answer

    def send(self, status: int, body: bytes, headers: dict, cut: bool = False):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def api(self, folder: Path, name: str, rest: str):
        if rest.startswith(("tree/", "paths-info/")):
            under = re.sub(r"^(tree|paths-info)/[^/]+/?", "", rest)
            wanted = json.loads(self.body)["paths"] if self.command == "POST" else None
            entries = [_entry(folder, p) for p in sorted(folder.rglob("*"))]
            under = f"{under}/" if under else ""
            found = [e for e in entries if (e["path"].startswith(under) if wanted is None else e["path"] in wanted)]
        else:
            found = {"id": name, "sha": COMMIT, "private": False, "gated": False, "disabled": False, "tags": []}
            files = [p for p in sorted(folder.rglob("*")) if p.is_file()]
            found["siblings"] = [{"rfilename": p.relative_to(folder).as_posix()} for p in files]
        self.send(200, json.dumps(found).encode(), {"Content-Type": "application/json"})

    def file(self, file: Path, cut: bool):
        if not file.is_file():
            self.send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "Entry not found"})
            return
        body = file.read_bytes()
        headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Accept-Ranges": "bytes"}
        if span := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            first, last = int(span[1]), min(int(span[2] or len(body) - 1), len(body) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            self.send(206, body[first : last + 1], headers, cut)
            return
        self.send(200, body, headers, cut)


def _entry(folder: Path, path: Path) -> dict:
    name, kind = path.relative_to(folder).as_posix(), "directory" if path.is_dir() else "file"
    size, oid = (path.stat().st_size, hashlib.sha1(path.read_bytes()).hexdigest()) if path.is_file() else (0, "0" * 40)
    return {"type": kind, "oid": oid, "size": size, "path": name}
