"""Named arrays in an uncompressed .npz file, read as if a stranger had written it.

Only plain arrays pass: bool, integers, float32, float64 and fixed-length text, little-endian. A
file is parsed here to the last byte, and nothing in it is evaluated; numpy's own reader would
evaluate headers as Python literals and unpack what is compressed.
"""

import io
import math
import os
import re
import secrets
import struct
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

# Beyond these, zip files have another layout.
_LARGEST_FILE = 2**32 - 2
_MOST_ARRAYS = 2**16 - 2
_KEY = re.compile(r"[A-Za-z0-9_.%~-]+(/[A-Za-z0-9_.%~-]+)*")
_MAGIC = b"\x93NUMPY\x01\x00"
_HEADER = re.compile(
    rb"\{'descr': '(?P<type>\|b1|\|[iu]1|<[iu][248]|<f[48]|<U[1-9]\d{0,6})', "
    rb"'fortran_order': (?P<order>True|False), "
    rb"'shape': \((?P<shape>|\d{1,10},|\d{1,10}(, \d{1,10}){1,7})\), \} *\n"
)
_TIME = (1980, 1, 1, 0, 0, 0)  # the same arrays make the same file


def write_arrays(path: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write to a path, which then holds all or nothing of it, or to a binary file object."""
    content = _packed(arrays)
    if hasattr(path, "write"):
        path.write(content)
        return
    name = os.fsdecode(path)
    target = os.path.realpath(name if name.endswith(".npz") else name + ".npz")
    temporary = f"{target}.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def read_arrays(path: Any) -> Arrays:
    """Read all arrays from a path or a binary file object.

    Raises
    ------
    ValueError
        The file is not what `write_arrays` writes.
    OSError
        There is no such file, or it cannot be read.
    """
    if hasattr(path, "read"):
        content = path.read()
        if not isinstance(content, bytes):
            raise TypeError(f"{path!r} must be open in binary mode, to read bytes.")
    else:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > _LARGEST_FILE:
                raise ValueError(f"{os.fsdecode(path)} is too large for a model file: {size} B.")
            content = file.read(size)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            _check_members(members, content)
            raw = {info.filename.removesuffix(".npy"): archive.read(info) for info in members}
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        OverflowError,
        UnicodeDecodeError,
        struct.error,
    ) as error:
        raise ValueError(f"not a model file, or a damaged one: {error}") from error
    return {key: _unpacked(key, data) for key, data in raw.items()}


def plain_array(values: Any, name: str) -> NDArray[Any]:
    """Return an array as a file takes it, without loss.

    Text may come as objects that are all str; half and extended precision become float64.
    """
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError(f"{name} is a masked array, which a model file cannot hold.")
    array = np.asarray(values)
    if array.dtype.kind == "O" and all(isinstance(value, str) for value in array.flat):
        text = np.array(array.tolist(), dtype=np.str_).reshape(array.shape)
        if not np.array_equal(text.astype(object), array):
            raise TypeError(f"{name} holds text that ends in NUL, which a model file cannot hold.")
        array = text
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float64)
    if array.dtype.kind not in "biufU" or array.ndim > 8:
        raise TypeError(
            f"{name} has dtype {array.dtype} and {array.ndim} dimensions: a model file holds "
            "numbers, bool and text, of at most 8 dimensions."
        )
    if array.dtype.kind == "U":
        if array.dtype.itemsize == 0:
            array = array.astype("U1")
        _check_text(array, name)
    return np.asarray(array.astype(array.dtype.newbyteorder("<"), copy=False))


def _packed(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    size = sum(array.nbytes for array in arrays.values())
    if size > _LARGEST_FILE // 2 or len(arrays) > _MOST_ARRAYS:
        raise ValueError(f"{size} B in {len(arrays)} arrays are too much for a model file.")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{key}.npy", _TIME), member.getvalue())
    return buffer.getvalue()


def _check_members(members: list[zipfile.ZipInfo], content: bytes) -> None:
    names = [info.filename for info in members]
    # The end of the directory says how many there are: a wrong length hides those that follow.
    if content[-22:-12] != b"PK\x05\x06" + bytes(4) + struct.pack("<H", len(members)):
        raise ValueError("the directory of the file is damaged, or is none of a model file.")
    for info in members:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"{info.filename!r} is compressed: a model file never is.")
        if not info.filename.endswith(".npy") or not _KEY.fullmatch(info.filename[:-4]):
            raise ValueError(f"{info.filename!r} is not the name of an array of a model file.")
    if sum(info.file_size for info in members) > len(content):
        raise ValueError("the arrays overlap, or are longer than the file.")
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice.removesuffix('.npy')!r} is there twice.")


def _unpacked(key: str, data: bytes) -> NDArray[Any]:
    """Return an own, writable array from the bytes of an .npy file."""
    start = len(_MAGIC) + 2
    length = int.from_bytes(data[len(_MAGIC) : start], "little")
    header = _HEADER.fullmatch(data[start : start + length])
    if not data.startswith(_MAGIC) or header is None:
        raise ValueError(
            f"{key!r} is not a plain array: a model file holds bool, integers, float32, float64 "
            "and text, little-endian."
        )
    dtype = np.dtype(header["type"].decode())
    shape = tuple(int(n) for n in header["shape"].split(b",") if n.strip())
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - start - length != expected or max(shape, default=0) >= 2**31:
        raise ValueError(
            f"{key!r} should have {expected} B for dtype {dtype} and shape {shape}, but has "
            f"{len(data) - start - length}."
        )
    flat = np.frombuffer(data, dtype, offset=start + length)
    if dtype.kind == "b" and np.any(flat.view(np.uint8) > 1):
        raise ValueError(f"{key!r} holds truth values that are neither 0 nor 1.")
    if dtype.kind == "U":
        _check_text(flat, key)
    array = flat.reshape(shape, order="F" if header["order"] == b"True" else "C")
    return array.astype(dtype.newbyteorder("="), order="K", copy=True)


def _check_text(array: NDArray[Any], name: str) -> None:
    letters = np.ascontiguousarray(array).reshape(-1).view(array.dtype.str[0] + "u4")
    if np.any((letters > 0x10FFFF) | ((letters >= 0xD800) & (letters < 0xE000))):
        raise ValueError(f"{name!r} holds text that is not Unicode.")
