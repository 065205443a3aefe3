"""The process that finds and fetches packages: ``python -P -m analyst_kernel.packages.worker``.

It reads one order and writes one answer. pip asks the index, for it knows the user's certificates,
proxies and passwords; it gets no source archive, so that nothing of a package is executed, and it
installs nothing. Hashes are compared here once more, and wheels unpacked by our own rules.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from importlib import metadata
from typing import Any

from analyst_kernel.packages.task import PackageLimits, PackageTask, without_credentials
from analyst_kernel.packages.unpack import UnpackLimits, WheelRefused, unpack

_OPTIONS = (
    "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--retries=1",
    "--timeout=15", "--progress-bar=off", "--no-color",
)  # fmt: skip
_DEFAULT = "PyPI, as pip asks by default"
_CHUNK = 1 << 20
_ASK_SECONDS = 4.0
_MEMORY = 3 << 30
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!+_-]*")
_CONFIGURED = ("cert", "client_cert", "proxy", "trusted_host", "keyring_provider")
"""What stays of pip's own configuration where an administrator named the index."""


class PackageRefused(Exception):
    """A package cannot be had: one sentence, and what to do."""

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


class Pip:
    """Calls pip for the kernel's interpreter."""

    def __init__(self, task: PackageTask) -> None:
        self.task = task
        self.log = os.path.join(task.scratch, "pip.log")
        self.environment = dict(os.environ)
        self.indexes = task.indexes
        configured = self._configured()
        if task.indexes:
            # By variables, since a command line is seen by every user of the machine.
            self.environment |= {
                f"PIP_{name.upper()}": configured[name]
                for name in _CONFIGURED
                if name in configured
            }
            self.environment |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": task.indexes[0]}
            for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_CONSTRAINT"):
                self.environment.pop(name, None)
            if task.indexes[1:]:
                self.environment["PIP_EXTRA_INDEX_URL"] = " ".join(task.indexes[1:])
        else:
            more = f"{configured.get('extra_index_url', '')} {configured.get('find_links', '')}"
            first = () if "no_index" in configured else (configured.get("index_url", _DEFAULT),)
            self.indexes = (*first, *more.split())

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run pip; its output is text."""
        other = [] if self.task.python == sys.executable else ["--python", self.task.python]
        return subprocess.run(
            [sys.executable, "-P", "-m", "pip", *other, *arguments],
            env=self.environment, capture_output=True, text=True, errors="replace", check=False,
            cwd=self.task.scratch, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def _configured(self) -> dict[str, str]:
        """Return what pip is configured with: option to value, that of the environment first."""
        done = self.call("config", "list", "--disable-pip-version-check")
        if "No module named pip" in done.stderr:
            raise PackageRefused(
                "pip is not installed in this server's environment, so no package can be fetched.",
                "Run `python -m ensurepip`, or install the package into the kernel's environment.",
            )
        found: dict[str, str] = {}
        for line in done.stdout.splitlines():
            place, _, value = line.partition("=")
            section, _, option = place.strip().rpartition(".")
            if section in ("global", "install", "download", ":env:"):
                found[option.replace("-", "_")] = value.strip().strip("'\"").replace("\\n", " ")
        return found

    def installed(self) -> list[str]:
        """Return ``name==version`` of everything that the kernel's environment has."""
        if self.task.python == sys.executable:
            here = {(one.name, one.version) for one in metadata.distributions()}
            return [f"{name}=={version}" for name, version in here if _VERSION.fullmatch(version)]
        done = self.call("list", "--format=json", "--disable-pip-version-check")
        try:
            listed = json.loads(done.stdout)
        except ValueError:
            last = without_credentials(done.stderr.strip()[-300:])
            raise PackageRefused(
                f"pip cannot look at the kernel's environment: {last}", "Run `pip list` there."
            ) from None
        return [
            f"{one['name']}=={one['version']}"
            for one in listed
            if _VERSION.fullmatch(one["version"])
        ]


def find(task: PackageTask) -> dict[str, Any]:
    """Resolve a package against what is installed, which never changes; return its wheels."""
    pip = Pip(task)
    name = task.wanted.partition("==")[0]
    installed = pip.installed()
    constraints = os.path.join(task.scratch, "installed.txt")
    with open(constraints, "w", encoding="utf-8") as file:
        file.write("\n".join([*installed, *task.held]) + "\n")
    report = os.path.join(task.scratch, "report.json")
    done = pip.call(
        "install", "--dry-run", "--no-user", "--report", report, *_OPTIONS, "--log", pip.log,
        "-c", constraints, "--", task.wanted,
    )  # fmt: skip
    if done.returncode or not os.path.exists(report):
        raise _why_not_found(task, name, done.stdout + done.stderr, _text_of(pip.log))
    with open(report, encoding="utf-8") as file:
        found = json.load(file)["install"]
    wheels = [_wheel(one, pip.indexes) for one in found]
    if not wheels:
        version = next((i for i in installed if _plain(i.partition("==")[0]) == _plain(name)), name)
        raise PackageRefused(f"{version.replace('==', ' ')} is installed already.")
    if len(wheels) > task.limits.wheels:
        raise PackageRefused(
            f"{name} brings {len(wheels)} packages, more than the {task.limits.wheels} that are "
            "fetched.",
            "Install it into the kernel's environment.",
        )
    for wheel in wheels:
        wheel["bytes"] = _size(wheel.pop("url"), pip.indexes)
    wheels.sort(key=lambda one: _plain(one["name"]) != _plain(name))
    return {"indexes": [without_credentials(one) for one in pip.indexes], "wheels": wheels}


def _wheel(entry: dict[str, Any], indexes: tuple[str, ...]) -> dict[str, Any]:
    """Return one package of pip's report; only a wheel with a hash counts."""
    about, info = entry["metadata"], entry["download_info"]
    hashes = (info.get("archive_info") or {}).get("hashes") or {}
    url = str(info["url"])
    parsed = urllib.parse.urlsplit(url)
    file = urllib.parse.unquote(parsed.path.rsplit("/", 1)[-1])
    digest = str(hashes.get("sha256", ""))
    name = str(about["name"])
    if not file.endswith(".whl") or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise PackageRefused(f"The index gives {name} without a wheel that has a SHA-256 hash.")
    return {
        "name": name[:100],
        "version": str(about["version"])[:100],
        "sha256": digest,
        "file": file[:200],
        "host": parsed.hostname or "this computer",
        "url": url,
    }


def _size(url: str, indexes: tuple[str, ...]) -> int | None:
    """Return a wheel's size as its host says, bytes; None if it does not say. Follows nothing."""
    parsed = urllib.parse.urlsplit(url)
    if parsed.scheme == "file":
        try:
            return os.path.getsize(urllib.request.url2pathname(parsed.path))
        except OSError:
            return None
    if parsed.scheme not in ("http", "https"):
        return None
    bare = parsed._replace(netloc=parsed.netloc.rpartition("@")[2])
    request = urllib.request.Request(urllib.parse.urlunsplit(bare), method="HEAD")  # noqa: S310 - see above
    for index in indexes:
        known = urllib.parse.urlsplit(index)
        if known.username and known.hostname == parsed.hostname and known.port == parsed.port:
            _sign(request, known)
    try:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(request, timeout=_ASK_SECONDS) as answer:
            length = answer.headers.get("Content-Length") or ""
            return int(length) if length.isdigit() and len(length) < 16 else None
    except (OSError, ValueError):
        return None


def _sign(request: urllib.request.Request, index: urllib.parse.SplitResult) -> None:
    import base64

    user = urllib.parse.unquote(index.username or "")
    word = urllib.parse.unquote(index.password or "")
    token = base64.b64encode(f"{user}:{word}".encode()).decode()
    request.add_unredirected_header("Authorization", f"Basic {token}")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing."""


def _why_not_found(task: PackageTask, name: str, said: str, log: str) -> PackageRefused:
    """Return one sentence for what pip said."""
    if "DO NOT MATCH THE HASHES" in said:
        return PackageRefused(
            f"What the index gave of {name} is not what it had announced (another SHA-256), so "
            "nothing of it was used.",
            "Try again; if it stays so, do not trust this index.",
        )
    if "ResolutionImpossible" in said or "conflicting dependencies" in said:
        needs = re.findall(r"^\s*(\S+(?: \S+)?) depends on (.+)$", said, re.MULTILINE)
        has = re.findall(r"\(constraint\) (\S+?)==(\S+)", said)
        pinned = {_plain(found): f"{found} {version}" for found, version in has}
        for who, what in needs:
            needed = _plain(re.match(r"[\w.-]*", what)[0])  # type: ignore[index] # may be empty
            if needed in pinned:
                return PackageRefused(
                    f"{who} needs {what.strip()}, and {pinned[needed]} is installed here, which "
                    "stays as it is.",
                    "Use what is installed, or install the package into an environment of its own.",
                )
        return PackageRefused(f"{name} does not fit to what is installed here, which stays.")
    if re.search(r"Connection|timed out|Max retries|Name or service|SSLError|ProxyError", said):
        return PackageRefused(
            f"The index could not be reached, so {name} cannot be fetched.",
            "Check the network and pip's configuration (`pip config list`).",
        )
    if re.search(r"No space left", said):
        return PackageRefused("The disk is full.", "Make room in Jupyter's data folder.")
    if re.search(r"File too large", said):
        return PackageRefused(f"{name} is larger than what is fetched here.")
    if re.search(r"\b(?:401|403)\b", said + log) and "No matching distribution" in said:
        return PackageRefused(
            f"The index does not let this user see {name}.", "Give pip the credentials for it."
        )
    escaped = re.escape(name).replace("\\-", "[-_.]").replace("_", "[-_.]")
    if "No matching distribution" in said or "Could not find a version" in said:
        if re.search(rf"No sources permitted for {escaped}", log, re.IGNORECASE):
            return PackageRefused(
                f"The index has {name} as source alone, and building it would execute its code on "
                "this server; only wheels are taken."
            )
        if re.search(r"none of the wheel's tags|requires a different Python", log):
            return PackageRefused(
                f"The index has no wheel of {name} for this Python on this machine."
            )
        return PackageRefused(f"The index has no package {name}.", "Check how it is spelt.")
    last = [line for line in said.splitlines() if line.strip().startswith("ERROR")]
    reason = without_credentials(last[-1].strip()[:300]) if last else "no reason was given"
    return PackageRefused(f"{name} cannot be had from the index ({reason}).")


def fetch(task: PackageTask) -> dict[str, Any]:
    """Fetch wheels by their hashes and unpack them into the store; return what each became."""
    answer: list[dict[str, Any]] = []
    missing = [one for one in task.wheels if not _is_stored(task, one)]
    if missing:
        files = _download(task, missing)
        for wheel in missing:
            _keep(task, wheel, files[wheel["sha256"]])
    for wheel in task.wheels:
        with open(_note(task, wheel["sha256"]), encoding="utf-8") as file:
            answer.append(json.load(file))
    return {"wheels": answer}


def _download(task: PackageTask, wheels: list[dict[str, Any]]) -> dict[str, str]:
    """Return the path of each wheel by its hash, which was computed here."""
    pip = Pip(task)
    wanted, folder = os.path.join(task.scratch, "wheels.txt"), os.path.join(task.scratch, "wheels")
    with open(wanted, "w", encoding="utf-8") as file:
        file.writelines(
            f"{one['name']}=={one['version']} --hash=sha256:{one['sha256']}\n" for one in wheels
        )
    done = pip.call(
        "download", "--no-deps", "--require-hashes", *_OPTIONS, "--log", pip.log,
        "-d", folder, "-r", wanted,
    )  # fmt: skip
    said = done.stdout + done.stderr
    names = ", ".join(str(one["name"]) for one in wheels)
    if done.returncode:
        raise _why_not_found(task, names, said, _text_of(pip.log))
    found = {_digest(path): path for path in _files(folder)}
    if any(one["sha256"] not in found for one in wheels):
        raise _why_not_found(task, names, "DO NOT MATCH THE HASHES", "")
    return found


def _keep(task: PackageTask, wheel: dict[str, Any], path: str) -> None:
    """Unpack a wheel into its place in the store, whole or not at all."""
    limits, digest = task.limits, wheel["sha256"]
    part = os.path.join(task.scratch, digest)
    os.mkdir(part, 0o755)
    try:
        became = unpack(path, part, UnpackLimits(limits.unpacked_bytes, limits.entries))
    except WheelRefused as error:
        raise PackageRefused(
            f"The wheel of {wheel['name']} {error}, so it was not used.",
            "Do without it, and tell whoever keeps the index.",
        ) from error
    os.remove(path)
    note = {
        "name": wheel["name"], "version": wheel["version"], "sha256": digest,
        "file": wheel["file"], "modules": became.modules, "bytes": became.bytes,
        "left_out": became.left_out[:50],
    }  # fmt: skip
    place = os.path.join(task.store, digest)
    shutil.rmtree(place, ignore_errors=True)  # without a note it was never whole
    os.rename(part, place)
    with open(f"{part}.json", "w", encoding="utf-8") as file:
        json.dump(note, file)
    os.replace(f"{part}.json", _note(task, digest))


def _is_stored(task: PackageTask, wheel: dict[str, Any]) -> bool:
    return os.path.isfile(_note(task, wheel["sha256"])) and os.path.isdir(
        os.path.join(task.store, wheel["sha256"])
    )


def _note(task: PackageTask, digest: str) -> str:
    return os.path.join(task.store, f"{digest}.json")


def _files(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.path for entry in entries if entry.is_file(follow_symlinks=False)]


def _digest(path: str) -> str:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(4 << 20)
    except OSError:
        return ""


def _limit(limits: PackageLimits) -> None:
    """Limit the files that this process and pip may write: an index may send without end."""
    if os.name == "posix":
        import resource
        import signal

        most = max(limits.wheel_bytes, 1 << 20)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if hard == resource.RLIM_INFINITY or hard > most:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard == resource.RLIM_INFINITY:  # a page without end is read into memory
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error instead, which pip reports
        os.umask(0o022)


def main() -> None:
    """Carry out one order, and write its result."""
    order = json.loads(sys.stdin.readline())
    limits = PackageLimits(**order.pop("limits"))
    for name in ("held", "wheels", "indexes"):
        order[name] = tuple(order[name])
    task = PackageTask(limits=limits, **order)
    _limit(limits)
    try:
        result = find(task) if task.do == "find" else fetch(task)
    except PackageRefused as error:
        result = {"error": without_credentials(error.what), "remedy": error.remedy}
    except OSError as error:
        result = {"error": f"A package cannot be kept here: {error.strerror}.", "remedy": ""}
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
