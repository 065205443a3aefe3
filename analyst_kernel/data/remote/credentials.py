"""Where the credentials for an object store are: only the source's name is ever kept or shown.

Looked for at each fetch, in the usual places and their usual order. Nothing is asked over the
network to find out; SDKs are imported where they are needed.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from analyst_kernel.data.remote.address import Address
from analyst_kernel.protocol.errors import DataError

EXTRA = "pip install 'analyst-kernel[remote]'"
ANONYMOUS = "anonymous"
_FRESH = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Access:
    """How a store is opened.

    Attributes:
        source: The name of the credentials' source, such as ``environment`` or ``profile work``.
        endpoint: Where the store is if it is not the cloud's own; else empty.
        options: What the client is told. May hold secrets, so it is not in the representation.
        provider: Returns fresh credentials, for sources that expire.
    """

    source: str
    endpoint: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    provider: Callable[[], Awaitable[Any]] | None = field(default=None, repr=False)


def access_to(address: Address, env: Mapping[str, str]) -> Access:
    """Return how to open the store of an address; blocking.

    Raises:
        DataError: A source is chosen and cannot be used.
    """
    match address.service:
        case "s3":
            return _amazon(env)
        case "gs":
            return _google(env)
        case "az":
            return _azure(address, env)
        case "web":
            return Access(ANONYMOUS)


def _amazon(env: Mapping[str, str]) -> Access:
    endpoint = env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or ""
    options: dict[str, Any] = {}
    if region := env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION"):
        options["region"] = region
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        options["access_key_id"] = env["AWS_ACCESS_KEY_ID"]
        options["secret_access_key"] = env["AWS_SECRET_ACCESS_KEY"]
        if env.get("AWS_SESSION_TOKEN"):
            options["token"] = env["AWS_SESSION_TOKEN"]
        return Access("environment", endpoint, options)
    if env.get("AWS_PROFILE") or any(os.path.isfile(path) for path in _aws_files(env)):
        return _profile(env, endpoint, options)
    for name, source in (
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "web identity"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "container role"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "container role"),
    ):
        if env.get(name):
            return Access(source, endpoint, options)  # the client reads these by itself
    if not endpoint and _machine_of("Amazon"):
        return Access("instance role", endpoint, options)
    return Access(ANONYMOUS, endpoint, options | {"skip_signature": True})


def _aws_files(env: Mapping[str, str]) -> tuple[str, str]:
    home = os.path.expanduser("~/.aws")
    return (
        env.get("AWS_SHARED_CREDENTIALS_FILE") or os.path.join(home, "credentials"),
        env.get("AWS_CONFIG_FILE") or os.path.join(home, "config"),
    )


def _profile(env: Mapping[str, str], endpoint: str, options: dict[str, Any]) -> Access:
    """Return access by a profile of AWS, SSO and assumed roles included."""
    name = env.get("AWS_PROFILE") or "default"
    source = f"profile {name}"
    try:
        import botocore.exceptions
        import botocore.session
    except ImportError as error:
        raise DataError(
            f"The AWS profile {name} is to be used, and that takes the package botocore.",
            f"Run: {EXTRA}",
        ) from error
    try:
        session = botocore.session.Session(profile=env.get("AWS_PROFILE"))
        # Not asked here: on any other machine that only waits.
        session.get_component("credential_provider").remove("iam-role")
        settings = session.get_scoped_config()
        found = session.get_credentials()
        if found is None:
            return Access(ANONYMOUS, endpoint, options | {"skip_signature": True})
        found.get_frozen_credentials()
    except botocore.exceptions.BotoCoreError as error:
        kind = type(error).__name__
        again = "SSO" in kind or "Token" in kind
        raise DataError(
            f"The AWS profile {name} gave no credentials ({kind}).",
            f"Run: aws sso login --profile {name}" if again else "Check ~/.aws/config.",
        ) from error
    region = settings.get("region")
    if region and "region" not in options:
        options["region"] = region
    own = settings.get("endpoint_url")
    if isinstance(own, str) and not endpoint:
        endpoint = own

    async def fresh() -> dict[str, Any]:
        keys = await asyncio.to_thread(found.get_frozen_credentials)
        return {
            "access_key_id": keys.access_key,
            "secret_access_key": keys.secret_key,
            "token": keys.token,
            "expires_at": dt.datetime.now(dt.UTC) + _FRESH,
        }

    return Access(source, endpoint, options, fresh)


def _google(env: Mapping[str, str]) -> Access:
    endpoint = env.get("GOOGLE_BASE_URL") or env.get("STORAGE_EMULATOR_HOST") or ""
    if endpoint and "://" not in endpoint:
        endpoint = f"http://{endpoint}"
    for name in ("GOOGLE_SERVICE_ACCOUNT", "GOOGLE_SERVICE_ACCOUNT_PATH"):
        if path := env.get(name):
            return Access(name, endpoint, {"service_account": path})
    if path := env.get("GOOGLE_APPLICATION_CREDENTIALS"):
        options = {"application_credentials": path}
        return Access("GOOGLE_APPLICATION_CREDENTIALS", endpoint, options)
    folder = env.get("CLOUDSDK_CONFIG") or os.path.expanduser("~/.config/gcloud")
    path = os.path.join(folder, "application_default_credentials.json")
    if os.path.isfile(path):
        return Access("gcloud", endpoint, {"application_credentials": path})
    if not endpoint and _machine_of("Google"):
        return Access("instance role", endpoint)
    return Access(ANONYMOUS, endpoint, {"skip_signature": True})


def _azure(address: Address, env: Mapping[str, str]) -> Access:
    parts = env.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";")
    words = [part.partition("=") for part in parts]
    connection = {name.strip(): value for name, _, value in words if value}
    chosen = env.get("AZURE_STORAGE_ACCOUNT_NAME") or connection.get("AccountName")
    account = address.account or chosen
    if not account:
        raise DataError(
            "The address names no storage account.",
            "Set AZURE_STORAGE_ACCOUNT_NAME, or write "
            "abfs://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER/FILE.",
        )
    endpoint = env.get("AZURE_STORAGE_ENDPOINT") or connection.get("BlobEndpoint") or ""
    options: dict[str, Any] = {"account_name": account}
    # A key belongs to its account: one for another account is not sent.
    own = env.get("AZURE_STORAGE_ACCOUNT_NAME", account) == account
    key = env.get("AZURE_STORAGE_ACCOUNT_KEY") or env.get("AZURE_STORAGE_KEY")
    if own and key:
        return Access("environment", endpoint, options | {"account_key": key})
    if own and (token := env.get("AZURE_STORAGE_SAS_TOKEN")):
        return Access("environment", endpoint, options | {"sas_key": token})
    if connection.get("AccountName", account) == account and "AccountKey" in connection:
        more = {"account_key": connection["AccountKey"]}
        return Access("AZURE_STORAGE_CONNECTION_STRING", endpoint, options | more)
    names = {"client_id": "AZURE_CLIENT_ID", "tenant_id": "AZURE_TENANT_ID"}
    given = {option: env[name] for option, name in names.items() if env.get(name)}
    if len(given) == len(names) and env.get("AZURE_CLIENT_SECRET"):
        more = {**given, "client_secret": env["AZURE_CLIENT_SECRET"]}
        return Access("service principal", endpoint, options | more)
    if len(given) == len(names) and env.get("AZURE_FEDERATED_TOKEN_FILE"):
        more = {**given, "federated_token_file": env["AZURE_FEDERATED_TOKEN_FILE"]}
        return Access("workload identity", endpoint, options | more)
    folder = env.get("AZURE_CONFIG_DIR") or os.path.expanduser("~/.azure")
    if os.path.isfile(os.path.join(folder, "azureProfile.json")):
        return Access("azure cli", endpoint, options | {"use_azure_cli": True})
    if env.get("IDENTITY_ENDPOINT") or (not endpoint and _machine_of("Microsoft")):
        return Access("managed identity", endpoint, options)
    return Access(ANONYMOUS, endpoint, options | {"skip_signature": True})


def _machine_of(vendor: str) -> bool:
    """Return whether this is a machine of a cloud, as its firmware says."""
    for name in ("sys_vendor", "bios_vendor", "chassis_asset_tag"):
        try:
            text = Path("/sys/class/dmi/id", name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        # Azure's machines say "Microsoft Corporation", as every other Hyper-V does.
        asset = "7783-7084-3265-9085-8269-3286-77"
        if vendor == "Microsoft" and asset in text:
            return True
        if vendor != "Microsoft" and vendor.lower() in text.lower():
            return True
    return False


def sources_found(env: Mapping[str, str]) -> dict[str, str]:
    """Return what each kind of store would be opened with: scheme to source, never a value."""
    found: dict[str, str] = {}
    for scheme, service in (("s3", "s3"), ("gs", "gs"), ("az", "az")):
        address = Address(service, "bucket", "", "", f"{scheme}://bucket/")  # type: ignore[arg-type]  # one of the three
        try:
            access = access_to(address, env)
        except DataError as error:
            found[scheme] = error.what
            continue
        at = f" at {access.endpoint}" if access.endpoint else ""
        found[scheme] = access.source + at
    return found
