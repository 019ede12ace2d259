"""LiteRT.js, from the npm registry: which version, held against its published hash, kept in the user's cache."""

import contextlib
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from kerasseg import files
from kerasseg.errors import InputError

VERSION = "2.5.3"
CDN = "https://cdn.jsdelivr.net/npm"
TIMEOUT_S = 120


@dataclass(frozen=True)
class Package:
    """An npm package.

    Attributes:
        name: As on npm.
        folder: What it is called on the page.
        sha512: Of its archive, as the registry publishes it.
        parts: Beginnings of the paths that are taken.
    """

    name: str
    folder: str
    sha512: str
    parts: tuple[str, ...]


PACKAGES = (
    Package(
        "@litertjs/core",
        "core",
        "3e51a66cc3aaf568ad5fb14ed2385b749c3d1ad85ab6ccae0905e34edff0259a"
        "3414b6b0e3cab8b73f08c2a82a08892f8981abf4e1432f59029cde27cd6a3225",
        ("dist/index.js", "wasm/", "package.json"),
    ),
    Package(
        "@litertjs/wasm-utils",
        "wasm-utils",
        "e1f262c3ab4142722cfb48c7fce435ea760e89297cffecd99e7e61dae97c6932"
        "878b4e6c56a656e7cd139a4efca42da44f7f40f4e60155d15ac2d799fec23591",
        ("dist/index.js", "package.json"),
    ),
)


def import_map(*, vendored: bool) -> dict[str, dict[str, str]]:
    """Where a page finds the modules: in its own folder `runtime`, or at a public CDN."""
    places = {
        one.name: f"./runtime/{one.folder}" if vendored else f"{CDN}/{one.name}@{VERSION}" for one in PACKAGES
    }  # fmt: skip
    return {"imports": {name: f"{place}/dist/index.js" for name, place in places.items()}}


def wasm(*, vendored: bool) -> str:
    """Where a page finds the compiled parts."""
    return "runtime/core/wasm/" if vendored else f"{CDN}/{PACKAGES[0].name}@{VERSION}/wasm/"


def contents() -> dict[str, bytes]:
    """Every file of the runtime, path on the page -> content.

    Raises:
        InputError: the registry cannot be reached and nothing is in the cache, or what came is not what was published.
    """
    found = {}
    for one in PACKAGES:
        with tarfile.open(fileobj=io.BytesIO(_archive(one)), mode="r:gz") as archive:
            for member in archive.getmembers():
                path = member.name.removeprefix("package/")
                if member.isfile() and path.startswith(one.parts):
                    file = archive.extractfile(member)
                    assert file is not None
                    found[f"runtime/{one.folder}/{path}"] = file.read()
    return found


def _archive(package: Package) -> bytes:
    name = f"{package.name.split('/')[1]}-{VERSION}.tgz"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "kerasseg" / "litertjs" / name
    if cache.is_file() and _is_right(content := cache.read_bytes(), package):
        return content
    registry = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")
    address = f"{registry}/{package.name}/-/{name}"
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_S) as answer:
            content = answer.read()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise InputError(
            f"{address} cannot be had ({error}); connect once, after which it lies in {cache.parent}, or give --runtime=cdn"
        ) from error
    if not _is_right(content, package):
        raise InputError(f"{address} is not what npm published as {package.name} {VERSION}; check what stands between")
    with contextlib.suppress(InputError):  # a home that cannot be written to costs the next download, no more
        files.write_bytes(cache, content)
    return content


def _is_right(content: bytes, package: Package) -> bool:
    return hashlib.sha512(content).hexdigest() == package.sha512
