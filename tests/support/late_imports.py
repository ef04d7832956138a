"""A program that opens stores, watches for imports from then on, and does with each store all that a program can do.

Run as `python -I -S late_imports.py GROUP DIRECTORY SYSPATH...`; it prints one line a case: the case, how each act has
ended, and the modules that were asked for. It imports next to nothing itself, and forks for each
case: what one case has loaded, the next one has not.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

GROUP, DIRECTORY = sys.argv[1:3]
sys.path[:0] = sys.argv[3:]

KEY = b"a key of many bytes"
GARBAGE = b"\xff\xfe neither text nor any format \x00\x01"
OLD, NEW, NEWER = {"n": 1}, {"n": 2}, {"n": 3, "more": ["x"]}
# The interpreter itself may ask for these, to show a warning, and goes on without them.
INTERPRETER = {"linecache", "tracemalloc", "tokenize"}


class Watchman:
    """A finder that finds nothing, and remembers what was asked for: the import goes on, to show what else there is."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if name.partition(".")[0] not in INTERPRETER:
            self.asked.append((name, asker()))


def asker() -> str:
    """Tell the line of the library that the import began with, "" where it was a format's own."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if os.sep + "atomic_store" + os.sep in file:
            return f"{file.rpartition(os.sep + 'atomic_store' + os.sep)[2]}:{frame.f_lineno} {frame.f_code.co_qualname}"
        frame = frame.f_back
    return ""


class Lazy:
    """A format that imports as it dumps: the fault that must be found."""

    @staticmethod
    def dump(value: Any, file: Any) -> None:
        import colorsys  # noqa: F401

        file.write(repr(value).encode())

    @staticmethod
    def load(file: Any) -> Any:
        return eval(file.read())


class Foreign:
    """A format of the program's own."""

    is_binary = True

    @staticmethod
    def dump(value: Any, file: Any) -> None:
        file.write(repr(value).encode())

    @staticmethod
    def load(file: Any) -> Any:
        content = file.read()
        if content == GARBAGE:
            raise ValueError("garbage")
        return eval(content)


class ForeignText:
    """Another one, of text."""

    @staticmethod
    def dumps(value: Any) -> str:
        return repr(value)

    @staticmethod
    def loads(text: str) -> Any:
        if "neither text" in text:
            raise ValueError("garbage")
        return eval(text)


class Acts:
    """What a program does with a store, and how each act has ended."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.outcomes: dict[str, str] = {}

    def do(self, name: str, act: Callable[..., object], *args: Any) -> None:
        """Do one thing, and note how it ended."""
        try:
            act(*args)
        except BaseException as error:
            self.outcomes[name] = type(error).__name__
        else:
            self.outcomes[name] = "ok"

    def commit(self, value: Any) -> None:
        self.store.value = value
        self.store.commit()


def poke(path: str, content: bytes) -> None:
    """Write a file, as an editor does."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(descriptor, content)
    os.close(descriptor)


def peek(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY)
    content = os.read(descriptor, 1 << 20)
    os.close(descriptor)
    return content


def block(store: Any, value: Any) -> None:
    with store:
        store.value = value


def failed_block(store: Any) -> None:
    with store:
        store.value = OLD
        raise KeyError("the program's own")


def nested(store: Any) -> None:
    with store:
        store.update(lambda value: value)


def local_acts(store: Any, case: dict[str, Any], path: str) -> dict[str, str]:
    """All that a program can do with a store on a file, errors included."""
    import fcntl
    import resource

    acts = Acts(store)
    do, commit = acts.do, acts.commit

    do("first commit", commit, NEW)
    do("block", block, store, NEWER)
    do("update", store.update, lambda value: NEW)
    do("changed", store.changed)
    do("reload", store.reload)
    do("failed block", failed_block, store)
    do("repr", repr, store)
    good = peek(path)
    # What others do meanwhile.
    poke(path, good + b" ")
    os.utime(path, (1, 1))
    do("changed by others", store.changed)
    do("commit over others", commit, NEWER)
    do("reload after others", store.reload)
    poke(path, GARBAGE)
    do("reload of garbage", store.reload)
    poke(path, GARBAGE)
    do("block on garbage", block, store, NEW)
    poke(path, GARBAGE)
    do("update of garbage", store.update, lambda value: NEW)
    if os.path.exists(path):
        os.unlink(path)
    do("reload of nothing", store.reload)
    do("commit again", commit, NEW)
    # Values and calls that are refused.
    do("refused value", commit, lambda: None)
    do("refused value in a block", block, store, object())
    do("None from update()", store.update, lambda value: None)
    do("update() in a block", nested, store)
    do("left too often", store.__exit__, None, None, None)
    do("reload after errors", store.reload)
    # What the system refuses.
    fail_fsync[0] = True
    do("directory not synced", commit, NEWER)
    do("delete not synced", store.delete)
    fail_fsync[0] = False
    do("commit after that", store.reload)
    do("and after that", commit, NEW)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    do("no descriptors: commit", store.commit)
    do("no descriptors: reload", store.reload)
    do("no descriptors: update", store.update, lambda value: value)
    do("no descriptors: delete", store.delete)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # Locks.
    for name in os.listdir(os.path.dirname(path)):
        if name.endswith(".lock") and case.get("lock") not in (True, False, None):
            other = os.open(os.path.join(os.path.dirname(path), name), os.O_RDWR)
            fcntl.flock(other, fcntl.LOCK_EX)
            do("lock held: block", block, store, NEW)
            do("lock held: commit", store.commit)
            do("lock held: update", store.update, lambda value: value)
            os.close(other)
    twin = os.path.join(os.path.dirname(path), "elsewhere." + os.path.basename(path).partition(".")[2])
    do("path assigned", setattr, store, "path", twin)
    do("commit elsewhere", commit, NEW)
    do("path assigned back", setattr, store, "path", path)
    do("reload back", store.reload)
    do("delete", store.delete)
    do("delete in a block", delete_in_block, store)
    do("commit after delete", commit, NEW)
    os.rename(os.path.dirname(path), os.path.dirname(path) + " gone")
    do("directory gone: commit", store.commit)
    do("directory gone: block", block, store, NEW)
    do("directory gone: update", store.update, lambda value: value)
    do("directory gone: delete", store.delete)
    do("directory gone: reload", store.reload)
    return acts.outcomes


def delete_in_block(store: Any) -> None:
    with store:
        store.delete()


def s3_acts(store: Any, case: dict[str, Any], path: str) -> dict[str, str]:
    """The same on S3."""
    acts = Acts(store)
    do, commit = acts.do, acts.commit

    do("first commit", commit, NEW)
    do("block", block, store, NEWER)
    do("update", store.update, lambda value: NEW)
    do("changed", store.changed)
    do("reload", store.reload)
    service.poke(GARBAGE)
    do("commit over others", commit, NEWER)
    do("reload of garbage", store.reload)
    service.poke(GARBAGE)
    do("update of garbage", store.update, lambda value: NEW)
    do("refused value", commit, lambda: None)
    service.poke(None)
    do("reload of nothing", store.reload)
    if case.get("format") != "yaml":  # which takes 20 s for that, and packed it goes in one piece
        do("large", commit, {"text": "x" * (9 << 20)})
        do("large reload", store.reload)
    do("delete", store.delete)
    for status, code in ((403, "AccessDenied"), (404, "NoSuchBucket"), (412, "PreconditionFailed"), (400, "InvalidRequest")):
        service.refuse = status, code
        do(f"{code}: commit", commit, NEW)
        do(f"{code}: reload", store.reload)
        do(f"{code}: delete", store.delete)
        do(f"{code}: changed", store.changed)
    service.refuse = None
    do("commit after errors", commit, NEW)
    return acts.outcomes


class Service:
    """One object on S3, answered inside the process: a client's requests never leave it."""

    def __init__(self) -> None:
        self.content: bytes | None = None
        self.parts: dict[int, bytes] = {}
        self.refuse: tuple[int, str] | None = None
        self.metadata: dict[str, str] = {}
        self.count = 0

    def poke(self, content: bytes | None) -> None:
        self.count += 1
        self.content = content

    @property
    def tag(self) -> str:
        return f'"{self.count:032x}"'

    def client(self) -> Any:
        import botocore.awsrequest
        import botocore.session

        self._answer: Any = botocore.awsrequest.AWSResponse
        session = botocore.session.Session()
        session.set_credentials("key", "secret")
        made: Any = session.create_client("s3", region_name="us-east-1")
        made.meta.events.register("before-send.s3", self.answer)
        return made

    def respond(self, request: Any, status: int, body: bytes = b"", **headers: str) -> Any:
        import io

        raw: Any = io.BytesIO(body)
        raw.stream = lambda *a, **k: iter([body])
        fields: Any = {name.replace("_", "-"): value for name, value in headers.items()}
        fields.setdefault("Content-Length", str(len(body)))
        return self._answer(request.url, status, fields, raw)

    def error(self, request: Any, status: int, code: str) -> Any:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        return self.respond(request, status, b"" if request.method == "HEAD" else body)

    def body(self, request: Any) -> bytes:
        body = request.body
        if body is None:
            return b""
        content = body if isinstance(body, bytes | bytearray) else body.read()
        if "aws-chunked" in str(request.headers.get("Content-Encoding", "")):
            decoded = b""
            while content:
                line, _, rest = content.partition(b"\r\n")
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    break
                decoded, content = decoded + rest[:size], rest[size + 2 :]
            return decoded
        return bytes(content)

    def answer(self, request: Any, **_: Any) -> Any:
        if self.refuse:
            return self.error(request, *self.refuse)
        query = request.url.partition("?")[2]
        method, headers = request.method, {name.lower(): value for name, value in request.headers.items()}
        text = {name: value.decode() if isinstance(value, bytes) else str(value) for name, value in headers.items()}
        meta = {name: text[name] for name in headers if name.startswith("x-amz-meta-")}
        if method == "POST" and query.startswith("uploads"):
            self.metadata = meta
            xml = b"<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
            return self.respond(request, 200, xml)
        if method == "PUT" and "partNumber" in query:
            number = int(query.partition("partNumber=")[2].partition("&")[0])
            self.parts[number] = self.body(request)
            return self.respond(request, 200, ETag=f'"{number:032x}"')
        if method == "DELETE" and "uploadId" in query:
            self.parts = {}
            return self.respond(request, 204)
        if method == "GET" and query.startswith("uploads"):
            return self.respond(request, 200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
        if method == "PUT" and "x-amz-copy-source" in headers:
            xml = f"<CopyObjectResult><ETag>{self.tag}</ETag></CopyObjectResult>".encode()
            return self.respond(request, 200, xml)
        if method in ("PUT", "POST", "DELETE"):
            if "if-none-match" in headers and self.content is not None:
                return self.error(request, 412, "PreconditionFailed")
            if "if-match" in headers and self.content is None:
                return self.error(request, 404, "NoSuchKey")
            if "if-match" in headers and text["if-match"].strip('"') != self.tag.strip('"'):
                return self.error(request, 412, "PreconditionFailed")
            self.count += 1
            if method == "DELETE":
                self.content = None
                return self.respond(request, 204)
            if method == "POST":
                self.content = b"".join(self.parts[number] for number in sorted(self.parts))
                xml = f"<CompleteMultipartUploadResult><ETag>{self.tag}</ETag></CompleteMultipartUploadResult>".encode()
                return self.respond(request, 200, xml)
            self.content, self.metadata = self.body(request), meta
            return self.respond(request, 200, ETag=self.tag)
        if self.content is None:
            return self.error(request, 404, "NoSuchKey" if method == "GET" else "404")
        size = {} if method == "GET" else {"Content_Length": str(len(self.content))}
        body = self.content if method == "GET" else b""
        return self.respond(request, 200, body, ETag=self.tag, **size, **self.metadata)


def wrapped(name: str | None, inner: Any) -> Any:
    import atomic_store

    if name is None:
        return inner
    if name == "verified":
        return atomic_store.Verified(inner)
    if name == "versioned":
        return atomic_store.Versioned(inner, 1, {0: lambda value: value})
    if name == "signed":
        return atomic_store.Signed(inner, KEY)
    return atomic_store.Compressed(inner, name)


def options_cases() -> Iterator[dict[str, Any]]:
    """Lock, conflict, corruption and log in every combination, on JSON; and each way that a file can be."""
    for lock in (False, True, 0, 0.01):
        for conflict in (None, "raise", "overwrite"):
            for corrupt in ("raise", "quarantine"):
                for log in (None, "debug", "late"):
                    yield {"lock": lock, "on_conflict": conflict, "on_corrupt": corrupt, "log": log}
    for lock in (False, True):
        for shape in ("missing", "link", "dangling", "dressed", "long name", "stale temp", "relative", "bytes", "nested"):
            for conflict in (None, "raise"):
                yield {"lock": lock, "on_conflict": conflict, "on_corrupt": "quarantine", "shape": shape}
        for place in ({"skip_unchanged": True}, {"fsync": "file"}, {"fsync": False}, {"mode": 0o600},
                      {"follow_symlinks": False}):  # fmt: skip
            for shape in ("plain", "missing", "dressed"):
                yield {"lock": lock, "on_corrupt": "quarantine", "place": place, "shape": shape}


FORMATS = (None, "json", "pickle", "bson", "yaml", "toml", "msgpack", "cbor", "auto", "module", "foreign", "foreign text")
WRAPPERS = (None, "verified", "versioned", "signed", "gzip", "bz2", "xz", "zstd")


def formats_cases() -> Iterator[dict[str, Any]]:
    """Each format in each wrapper, with a type and without; plain, and with all that compares."""
    for format in FORMATS:
        for wrapper in WRAPPERS:
            yield {"format": format, "wrapper": wrapper}
            strict = {"type": dict, "lock": 0.01, "on_corrupt": "quarantine", "log": "debug"}
            yield {"format": format, "wrapper": wrapper, **strict}


def dict_cases() -> Iterator[dict[str, Any]]:
    """open_dict, by whatever way it saves."""
    for lock in (False, True):
        for format in ("json", "yaml", "pickle"):
            for log in (None, "debug", "late"):
                yield {"lock": lock, "format": format, "log": log, "dict": True}


def s3_cases() -> Iterator[dict[str, Any]]:
    """A store on S3, whose service is in the process."""
    yield {"s3": True}
    yield {"s3": True, "on_conflict": "raise", "on_corrupt": "quarantine"}
    yield {"s3": True, "on_conflict": "overwrite", "log": "debug"}
    yield {"s3": True, "format": "pickle", "wrapper": "signed", "on_corrupt": "quarantine", "log": "debug"}
    yield {"s3": True, "format": "yaml", "wrapper": "gzip"}


def control_cases() -> Iterator[dict[str, Any]]:
    """The fault that must be found: a format that imports at its first dump."""
    yield {"format": "lazy"}


def shaped(case: dict[str, Any], directory: str, name: str) -> tuple[str | bytes, str]:
    """Make the file that the case is about; give the path to open and the path of the file."""
    shape = case.get("shape")
    path = os.path.join(directory, ("n" * 200 if shape == "long name" else "state") + name)
    opened: str | bytes = path
    if shape == "dangling":
        opened = os.path.join(directory, "link" + name)
        os.symlink(path, opened)
    elif shape == "link":
        opened = os.path.join(directory, "link" + name)
        os.symlink(path, opened)
        poke(path, b'{"n": 1}')
    elif shape in ("dressed", "long name", "stale temp", "relative", "bytes") and case.get("format") is None:
        poke(path, b'{"n": 1}')
    if shape == "dressed":
        os.chmod(path, 0o640)
        allowed = Acts(None)  # not every user, and not every file system, can
        allowed.do("owner", os.chown, path, 12345, 12346)
        allowed.do("attribute", os.setxattr, path, "user.origin", b"a test")
    if shape == "stale temp":
        temp = os.path.join(directory, f".state{name}.0123456789abcdef.tmp")
        poke(temp, b"left by a crash")
        os.utime(temp, (1, 1))
    if shape == "relative":
        os.chdir(directory)
        opened = os.path.basename(path)
    if shape == "bytes":
        opened = os.fsencode(path)
    return opened, path


def dict_acts(mapping: Any, case: dict[str, Any], path: str) -> dict[str, str]:
    """What a program does with a dict that is kept."""
    acts = Acts(mapping)
    do = acts.do

    def in_block() -> None:
        with mapping:
            mapping["n"] = 5

    def set_and_save(key: str, value: Any) -> None:
        mapping[key] = value
        mapping.save()

    do("save", set_and_save, "n", 2)
    do("block", in_block)
    do("refused", set_and_save, "bad", lambda: None)
    mapping.pop("bad", None)
    do("copy", mapping.copy)
    do("equal", lambda: mapping == {"n": 2})
    do("repr", repr, mapping)
    do("or", lambda: mapping | {"a": 1})
    do("update", mapping.update, {"b": 1})
    do("save again", mapping.save)
    return acts.outcomes


fail_fsync = [False]
service = Service()


def told(case: dict[str, Any]) -> dict[str, Any]:
    """What can be read again by whoever reads the line."""
    return {name: getattr(entry, "__name__", entry) for name, entry in case.items()}


def run(case: dict[str, Any], number: int) -> str:
    """Open, watch, act; give the line."""
    import atomic_store

    real_fsync = os.fsync

    if case.get("log") == "debug":
        import logging

        logging.basicConfig(level=logging.DEBUG, stream=open(os.devnull, "w"))  # noqa: SIM115 - for as long as the process lives
    import warnings

    warnings.simplefilter("ignore")
    import fcntl  # noqa: F401
    import resource  # noqa: F401
    import stat

    directory = os.path.join(DIRECTORY, str(number))
    os.mkdir(directory)
    options = {name: case[name] for name in ("lock", "on_conflict", "on_corrupt", "type") if name in case}
    format = case.get("format")
    suffix = ".json" if format == "auto" else ""
    if format == "module":
        format = __import__("json")
    elif format in ("foreign", "foreign text", "lazy"):
        format = {"foreign": Foreign, "foreign text": ForeignText, "lazy": Lazy}[format]
    if format == "auto" and case.get("wrapper") not in (None, "gzip"):
        format = "json"
    elif format == "auto" and case.get("wrapper") == "gzip":
        suffix = ".json.gz"
    else:
        format = wrapped(case.get("wrapper"), format)
    default = {"n": [0]} if case.get("shape") == "nested" else OLD
    finder = Watchman()
    store: Any
    acts: Callable[[Any, dict[str, Any], str], dict[str, str]]
    if case.get("s3"):
        store = atomic_store.open(
            atomic_store.S3Object("bucket", "state", client=service.client()), default, format, **options
        )
        acts, path = s3_acts, ""
    elif case.get("dict"):
        path = os.path.join(directory, "state")
        store = atomic_store.open_dict(path, OLD, format=format, lock=case["lock"])
        acts = dict_acts
    else:
        opened, path = shaped(case, directory, suffix)
        place = atomic_store.LocalFile(opened, **case["place"]) if "place" in case else opened
        store = atomic_store.open(place, default, format, **options)
        acts = local_acts
    if case.get("log") == "late":
        import logging

        logging.basicConfig(level=logging.DEBUG, stream=open(os.devnull, "w"))  # noqa: SIM115 - for as long as the process lives

    def fsync(descriptor: int) -> None:
        if fail_fsync[0] and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, os.strerror(5))
        if case.get("place", {}).get("fsync"):
            real_fsync(descriptor)

    setattr(os, "fsync", fsync)  # noqa: B010
    if "atomicwrites" in sys.modules:  # it has taken os.fsync at its import
        setattr(sys.modules["atomicwrites"], "_proper_fsync", fsync)  # noqa: B010
    sys.meta_path.insert(0, finder)
    outcomes = acts(store, case, path)
    sys.meta_path.remove(finder)
    return repr((told(case), outcomes, finder.asked))


def main() -> None:
    cases = list(globals()[f"{GROUP}_cases"]())
    for number, case in enumerate(cases):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            status = 1
            try:
                line = run(case, number)
                os.write(writer, line.encode() + b"\n")
                status = 0
            except BaseException:
                import traceback

                os.write(writer, repr((told(case), {"broken": traceback.format_exc()}, [])).encode() + b"\n")
            finally:
                os._exit(status)
        os.close(writer)
        told_us = b""
        while piece := os.read(reader, 65536):
            told_us += piece
        os.close(reader)
        os.waitpid(child, 0)
        sys.stdout.write(told_us.decode() or repr((told(case), {"broken": "died"}, [])) + "\n")


main()
