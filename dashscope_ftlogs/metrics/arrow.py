"""Columns handed to other libraries by the Arrow C stream interface, which they all speak.

https://arrow.apache.org/docs/format/CDataInterface.html says what each field means. Whoever is given a
struct may copy it, and calls its `release` once, at any time and in any thread; until then `_given`
keeps alive what its pointers lead to.

pyarrow may let go of a column while an exception is on its way. A callback written in Python can't run
then without losing that exception, and pyarrow aborts. So where pyarrow is loaded, it makes the stream
itself.
"""

import ctypes
import itertools
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import attrs

_NULLABLE: Final = 2
_CAPSULE: Final = b"arrow_array_stream"
_DIGITS: Final = bytes.maketrans(b"\0\1", b"01")

_given: dict[int, object] = {}
_keys = itertools.count(1)  # 0 would be NULL


@attrs.frozen
class Column:
    """Values of one kind, with gaps."""

    format: str
    """Arrow's word for the type: `l` int64, `g` float64, `u` text, `tsm:` milliseconds without zone."""
    values: "array[int] | array[float] | list[str]"
    """One for each row; what stands in a gap means nothing."""
    valid: bytes | bytearray
    """A byte for each row: 1, or 0 for a gap."""

    def cells(self) -> "list[int | float | str | None]":
        """Return what is in each row; None for a gap."""
        pairs = zip(cast("Any", self.values), self.valid, strict=True)
        return [value if valid else None for value, valid in pairs]

    def buffers(self) -> tuple[bytes | None, ...]:
        """Return the memory that Arrow wants, first the bitmap of what is no gap."""
        bitmap = None
        if 0 in self.valid:
            bits = int(self.valid[::-1].translate(_DIGITS), 2)  # the first row is the lowest bit
            bitmap = bits.to_bytes((len(self.valid) + 7) // 8, "little")
        if isinstance(self.values, array):
            return bitmap, self.values.tobytes()
        texts = [text.encode("utf-8", "backslashreplace") for text in self.values]
        ends = array("i", itertools.accumulate(map(len, texts), initial=0))
        return bitmap, ends.tobytes(), b"".join(texts)


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


class _Stream(ctypes.Structure):
    pass


_Release: Final = {
    struct: ctypes.CFUNCTYPE(None, ctypes.POINTER(struct)) for struct in (_Schema, _Array, _Stream)
}


_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", _Release[_Schema]),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_char_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", _Release[_Array]),
    ("private_data", ctypes.c_void_p),
]
_GetSchema = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Schema))
_GetNext = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Stream), ctypes.POINTER(_Array))
_GetLastError = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.POINTER(_Stream))
_Stream._fields_ = [
    ("get_schema", _GetSchema),
    ("get_next", _GetNext),
    ("get_last_error", _GetLastError),
    ("release", _Release[_Stream]),
    ("private_data", ctypes.c_void_p),
]


def _release(struct: Any) -> None:
    it = struct.contents
    for n in range(getattr(it, "n_children", 0)):
        child = it.children[n].contents
        if child.release:  # else the consumer has taken it for itself
            child.release(ctypes.byref(child))
    it.release = type(it.release)()
    del _given[it.private_data]


_releasers = {struct: kind(_release) for struct, kind in _Release.items()}


def _give(struct: Any, *kept: object) -> Any:
    """Return the struct, with all that its pointers lead to kept alive until it is released."""
    key = next(_keys)
    _given[key] = (struct, kept)
    struct.private_data = key
    struct.release = _releasers[type(struct)]
    return struct


def _schema(name: str, form: str, *children: _Schema) -> Any:
    links = _links(_Schema, children)
    schema = _Schema(form.encode(), name.encode("utf-8", "backslashreplace"), None, _NULLABLE)
    schema.n_children, schema.children = len(children), links
    return _give(schema, links, children)


def _array(length: int, buffers: Sequence[bytes | None], *children: _Array) -> Any:
    links = _links(_Array, children)
    memory = (ctypes.c_char_p * len(buffers))(*buffers)
    null_count = -1 if buffers[0] is not None else 0  # -1 lets the consumer count
    filled = _Array(length, null_count, 0, len(buffers), len(children), memory, links)
    return _give(filled, memory, buffers, links, children)


def _links(struct: Any, children: Sequence[Any]) -> Any:
    pointer = cast("Any", ctypes.POINTER(struct))
    return (pointer * len(children))(*map(ctypes.pointer, children))


def stream(columns: Mapping[str, Column], rows: int) -> object:
    """Return a capsule with a stream of one batch, in which `columns` have so many rows."""
    pyarrow = sys.modules.get("pyarrow")
    return own_stream(columns, rows) if pyarrow is None else _stream_by(pyarrow, columns)


def _stream_by(pyarrow: Any, columns: Mapping[str, Column]) -> object:
    types = {
        "l": pyarrow.int64(),
        "g": pyarrow.float64(),
        "u": pyarrow.string(),
        "tsm:": pyarrow.timestamp("ms"),
    }
    arrays = [
        pyarrow.array([_storable(value) for value in column.cells()], types[column.format])
        for column in columns.values()
    ]
    return pyarrow.table(arrays, names=list(map(_storable, columns))).__arrow_c_stream__()


def _storable(value: Any) -> Any:
    """Return a text without lone surrogates, which UTF-8 has no form for; anything else as it is."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def own_stream(columns: Mapping[str, Column], rows: int) -> object:
    """Return the same without the help of pyarrow."""
    batches = iter([columns])

    def get_schema(_stream: Any, out: Any) -> int:
        fields = (_schema(name, column.format) for name, column in columns.items())
        _hand_over(_schema("", "+s", *fields), out)
        return 0

    def get_next(_stream: Any, out: Any) -> int:
        batch = next(batches, None)
        if batch is None:
            out.contents.release = type(out.contents.release)()  # the end
        else:
            filled = (_array(rows, column.buffers()) for column in batch.values())
            _hand_over(_array(rows, [None], *filled), out)
        return 0

    def get_last_error(_stream: Any) -> None:
        """There is none to tell of: what can fail is done before."""

    callbacks = _GetSchema(get_schema), _GetNext(get_next), _GetLastError(get_last_error)
    source = _give(_Stream(*callbacks), callbacks)
    _given[ctypes.addressof(source)] = source
    return _new_capsule(ctypes.addressof(source), _CAPSULE, _destroy)


def _hand_over(struct: Any, out: Any) -> None:
    ctypes.memmove(out, ctypes.byref(struct), ctypes.sizeof(struct))


def _destructor(capsule: int) -> None:
    source = _given.pop(_pointer_in(capsule, _CAPSULE))
    if source.release:  # type: ignore[attr-defined]  # nobody has taken the stream
        source.release(ctypes.byref(source))  # type: ignore[attr-defined,arg-type]


_Destructor = ctypes.PYFUNCTYPE(None, ctypes.c_void_p)
_destroy = _Destructor(_destructor)
_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(
    ("PyCapsule_New", ctypes.pythonapi)
)
_pointer_in = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)
