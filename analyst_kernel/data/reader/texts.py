"""The text of documents: plain ones, PDF and Word; it runs in a reader.

Layout, pictures and notes at the margin are not kept. What is longer than one answer may be is cut,
and the answer says so.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from analyst_kernel.data.read.encoding import decode_head, detect_encoding
from analyst_kernel.data.reader.wire import MAX_DOCUMENT
from analyst_kernel.protocol.errors import DataError

_MOST_BYTES = 64 << 20  # of the part of a Word document that holds its text
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


def document_text(path: str) -> tuple[str, bool]:
    """Return a document's text, and whether it is cut.

    Raises:
        DataError: It holds no text, is damaged, or needs a password.
    """
    name = os.path.basename(path)
    with open(path, "rb") as file:
        head = file.read(8)
    if head.startswith(b"%PDF-"):
        text, cut = _joined(_pages(path, name))
    elif head.startswith(b"PK\x03\x04"):
        text, cut = _joined(_paragraphs(path, name))
    else:
        text, cut = _plain(path, name)
    if not text.strip():
        raise DataError(
            f"{name} holds no text: its pages may be pictures.", "Save it with its text (OCR)."
        )
    return text, cut


def _joined(parts: Iterator[str]) -> tuple[str, bool]:
    found: list[str] = []
    length = 0
    for part in parts:
        found.append(part[: MAX_DOCUMENT - length])
        length += len(part)
        if length > MAX_DOCUMENT:
            return "".join(found), True
    return "".join(found), False


def _plain(path: str, name: str) -> tuple[str, bool]:
    with open(path, "rb") as file:
        content = file.read(4 * MAX_DOCUMENT + 1)
    complete = len(content) <= 4 * MAX_DOCUMENT
    encoding = detect_encoding(content, complete=complete)
    if encoding is None:
        raise DataError(f"{name} is no text.", "Save it as text, PDF or .docx.")
    text = decode_head(content, encoding, complete=complete, errors="replace")
    return text[:MAX_DOCUMENT], len(text) > MAX_DOCUMENT or not complete


def _pages(path: str, name: str) -> Iterator[str]:
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(path)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DataError(f"{name} needs a password.", "Save it without one.")
        for number, page in enumerate(reader.pages, start=1):
            text = page.extract_text()
            if text.strip():
                yield f"[page {number}]\n{text}\n\n"
    except PyPdfError as error:
        raise DataError(
            f"{name} cannot be read as a PDF: {str(error)[:200]}.", "Save it again, or as text."
        ) from error


def _paragraphs(path: str, name: str) -> Iterator[str]:
    damaged = DataError(f"{name} cannot be read as a Word document.", "Save it again, or as text.")
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo("word/document.xml")
            if entry.file_size > _MOST_BYTES:
                raise DataError(f"{name} holds more text than is read of one.", "Attach a part.")
            with archive.open(entry) as file:
                # Entities are expanded at most to what the reader's own memory allows.
                yield from _of_xml(ET.iterparse(file, ("start", "end")))  # noqa: S314 - the reader is enclosed, and limited
    except (zipfile.BadZipFile, KeyError, ET.ParseError, EOFError, OSError) as error:
        raise damaged from error


def _of_xml(events: Iterator[tuple[str, ET.Element]]) -> Iterator[str]:
    """Return the text of each paragraph; the cells of a table's row are divided by bars."""
    parts: list[str] = []
    rows = 0  # rows of tables around the present place
    for event, element in events:
        tag = element.tag.removeprefix(_WORD)
        if event == "start":
            rows += tag == "tr"
        elif tag == "t":
            parts.append(element.text or "")
        elif tag in ("tab", "br", "cr"):
            parts.append("\t" if tag == "tab" else "\n")
        elif tag == "tc":
            parts.append("| ")
        elif tag in ("p", "tr"):
            rows -= tag == "tr"
            if rows:
                parts.append(" ")
                continue
            yield "".join(parts).strip().rstrip("|").strip() + "\n"
            parts = []
            element.clear()
