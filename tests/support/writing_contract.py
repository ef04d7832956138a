"""What atomic_write() promises at every place, as a suite: one class a kind of place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import pickle
import tarfile
import zipfile
from typing import Any

import pytest
from places import Place
from support import require_ecosystem

import atomic_store
from atomic_store import AtomicStoreError, ConflictError
from atomic_store.locations.base import Location
from atomic_store.writing import AtomicWrite

ROWS = [["name", "note"], ["é", 'quoted, "twice"'], ["two\nlines", "€"]]


class WritingContract(Place):
    """Combine it with a place: `class TestMemory(InMemory, WritingContract)`."""

    def written(self, location: Location) -> io.BytesIO:
        content = self.peek(location)
        assert content is not None
        return io.BytesIO(content)

    # --- whatever takes a file ---

    def test_csv_loses_no_character_and_no_line_end(self) -> None:
        """What the csv module writes as text is stored as UTF-8, byte by byte as csv has ended its lines."""
        location, expected = self.make(), io.StringIO(newline="")
        csv.writer(expected).writerows(ROWS)
        with atomic_store.atomic_write(location, "w") as file:
            csv.writer(file).writerows(ROWS)
        assert self.peek(location) == expected.getvalue().encode()

    def test_xml_of_lxml_is_whole(self) -> None:
        """A tree that lxml writes in one go, and a document that it writes as a stream, can be read again."""
        require_ecosystem("lxml")
        from lxml import etree  # type: ignore[import-untyped]

        location = self.make()
        root = etree.Element("runs")
        etree.SubElement(root, "run").text = "é"
        with atomic_store.atomic_write(location) as file:
            etree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
        assert etree.parse(self.written(location)).findtext("run") == "é"
        with atomic_store.atomic_write(location) as file, etree.xmlfile(file) as stream, stream.element("runs"):
            for _ in range(1000):
                stream.write(root[0])
        assert len(etree.parse(self.written(location)).getroot()) == 1000

    def test_archive_is_whole(self) -> None:
        """zipfile, tarfile and gzip, which would like to seek or ask for the file's mode, write archives that are sound."""
        location, content = self.make(), b"content " * 10_000
        with atomic_store.atomic_write(location) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("one", content)
            archive.writestr("two", b"")
        with zipfile.ZipFile(self.written(location)) as archive:
            assert archive.testzip() is None
            assert [archive.read(name) for name in ("one", "two")] == [content, b""]
        with atomic_store.atomic_write(location) as file, tarfile.open(fileobj=file, mode="w:gz") as tar:
            member = tarfile.TarInfo("one")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        with tarfile.open(fileobj=self.written(location)) as tar:
            found = tar.extractfile("one")
            assert found is not None
            assert found.read() == content
        with atomic_store.atomic_write(location) as file, gzip.GzipFile(fileobj=file, mode="wb") as compressed:
            compressed.write(content)
        assert gzip.decompress(self.written(location).read()) == content

    def test_table_of_pandas_is_whole(self) -> None:
        """CSV that pandas writes to a text and to a binary file, pickle, Parquet and JSON can be read again."""
        require_ecosystem("pandas", "pyarrow")
        import pandas as pd  # type: ignore[import-untyped]

        location, table = self.make(), pd.DataFrame({"name": ["é", "b"], "size": [1, 2]})
        for mode in ("wb", "w"):
            with AtomicWrite[Any](location, mode, True) as file:
                table.to_csv(file, index=False)
            assert pd.read_csv(self.written(location)).equals(table)
        with atomic_store.atomic_write(location) as file:
            table.to_pickle(file)
        assert pd.read_pickle(self.written(location)).equals(table)
        with atomic_store.atomic_write(location) as file:
            table.to_parquet(file)
        assert pd.read_parquet(self.written(location)).equals(table)
        with atomic_store.atomic_write(location, "w") as file:
            table.to_json(file)
        assert pd.read_json(self.written(location)).equals(table)

    def test_large_pieces_arrive_in_order(self) -> None:
        """Pieces of every size, and of every bytes-like type, are stored one after the other; tell() counts them."""
        location, expected = self.make(), b""
        with atomic_store.atomic_write(location) as file:
            for size in (0, 1, 70_000, 3, 1_000_000):
                expected += bytes(range(256)) * size if size < 10_000 else b"x" * size
                file.write(expected[file.tell() :])
            pickle.dump(ROWS, file)
            file.write(memoryview(b"end"))
        assert self.peek(location) == expected + pickle.dumps(ROWS) + b"end"

    # --- all or nothing ---

    @pytest.mark.parametrize("mode", ["wb", "w"])
    @pytest.mark.parametrize("error", [ValueError("of the block"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
    def test_failed_block_publishes_nothing(self, mode: str, error: BaseException) -> None:
        """An exception of any kind passes, and leaves what was stored, or nothing, and no file that takes more."""
        location = self.make()
        for old in (None, b"old"):
            if old is not None:
                self.poke(location, old)
            with pytest.raises(type(error)) as caught, AtomicWrite[Any](location, mode, True) as file:
                file.write("half" if mode == "w" else b"half" * 100_000)
                raise error
            assert caught.value is error
            assert self.peek(location) == old
            with pytest.raises(ValueError, match="closed"):
                file.write("more" if mode == "w" else b"more")

    @pytest.mark.parametrize("mode", ["wb", "w"])
    def test_nobody_sees_a_half_written_file(self, mode: str) -> None:
        """What was stored stays visible until the block ends, however much was written by then."""
        location = self.make()
        self.poke(location, b"old")
        with AtomicWrite[Any](location, mode, True) as file:
            file.write("n" * 1_000_000 if mode == "w" else b"n" * 1_000_000)
            file.flush()
            assert self.peek(location) == b"old"
        assert self.peek(location) == b"n" * 1_000_000

    @pytest.mark.parametrize("mode", ["wb", "w"])
    def test_writer_that_closes_the_file_loses_nothing(self, mode: str) -> None:
        """A library that closes what it was given does not publish too early, nor drop what is still in memory."""
        location = self.make()
        with AtomicWrite[Any](location, mode, True) as file:
            file.write("all" if mode == "w" else b"all")
            file.close()
            assert self.peek(location) is None
            for late in (file.write, file.tell, file.fileno):
                with pytest.raises(ValueError, match="closed"):
                    late(*(["x"] if mode == "w" else [b"x"]) if late == file.write else ())
        assert self.peek(location) == b"all"

    def test_wrong_type_is_refused(self) -> None:
        """A str for a binary file and bytes for a text file are a TypeError, and nothing is published."""
        location = self.make()
        with (
            pytest.raises(TypeError, match="bytes-like object is required"),
            atomic_store.atomic_write(location) as raw,
        ):
            raw.write("text")  # type: ignore[call-overload]  # the mistake that is made
        with pytest.raises(TypeError), atomic_store.atomic_write(location, "w") as file:
            file.write(b"bytes")  # type: ignore[arg-type]  # as above
        with pytest.raises(UnicodeEncodeError), atomic_store.atomic_write(location, "w") as file:
            file.write("no text: \ud800")
        assert self.peek(location) is None

    def test_empty_file_is_a_file(self) -> None:
        """A block that writes nothing publishes an empty file: there is nothing that it should have been."""
        for mode in ("wb", "w"):
            location = self.make()
            with AtomicWrite[Any](location, mode, True):
                pass
            assert self.peek(location) == b""

    def test_second_block_is_a_second_file(self) -> None:
        """The same object, entered again, begins anew, also after a failure."""
        location = self.make()
        writing = atomic_store.atomic_write(location, "w")
        for text in ("first", "second"):
            with writing as file:
                json.dump(text, file)
            with pytest.raises(RuntimeError), writing as file:
                file.write("half")
                raise RuntimeError
            assert json.loads(self.peek(location) or b"") == text

    def test_block_inside_its_own_block_loses_neither(self) -> None:
        """An object whose block is open cannot be entered: the outer file would be lost without an error."""
        location = self.make()
        writing = atomic_store.atomic_write(location, "w")
        with writing as file:
            file.write("outer")
            with pytest.raises(AtomicStoreError, match="call atomic_write"):
                writing.__enter__()
            file.write(", to its end")
        assert self.peek(location) == b"outer, to its end"

    # --- only creating ---

    def test_only_creating_overwrites_nothing(self) -> None:
        """With overwrite=False the first one creates, and the next one gets a FileExistsError that names the place."""
        location = self.make()
        with atomic_store.atomic_write(location, overwrite=False) as file:
            file.write(b"first")
        with pytest.raises(FileExistsError) as caught, atomic_store.atomic_write(location, overwrite=False) as file:
            file.write(b"second")
        assert caught.value.filename == location.path
        assert isinstance(caught.value.__cause__, ConflictError)
        assert self.peek(location) == b"first"

    def test_only_creating_overwrites_nothing_that_came_meanwhile(self) -> None:
        """What appears while the block writes is left alone too, without any lock on the other side."""
        location = self.make()
        with pytest.raises(FileExistsError), atomic_store.atomic_write(location, overwrite=False) as file:
            file.write(b"ours")
            self.poke(location, b"theirs")
        assert self.peek(location) == b"theirs"
