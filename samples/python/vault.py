"""A secret store plugin: the secrets of a file, `secretstores.python-vault`.

A line is `name=value`, or `name.part=value` for a secret of several values. The file is read for
each call, so that a changed secret is given at once.
"""

from __future__ import annotations

from pathlib import Path

import grpc
from dapr.proto.components.v1 import common_pb2, secretstore_pb2, secretstore_pb2_grpc

from serving import component_of, run

NAME = "python-vault"


class Vault(secretstore_pb2_grpc.SecretStoreServicer):
    """The contract over a file for each component."""

    def __init__(self) -> None:
        self._files: dict[str, Path] = {}

    async def Init(self, request, context):
        file = request.metadata.properties.get("file", "")
        if not file:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                "metadata `file` is missing: the path of the file with the secrets",
            )
        self._files[component_of(context)] = Path(file)
        # A file that cannot be read is better known now.
        await self._secrets(context)
        return secretstore_pb2.SecretStoreInitResponse()

    async def Features(self, request, context):
        return common_pb2.FeaturesResponse(features=["MULTIPLE_KEY_VALUES_PER_SECRET"])

    async def Ping(self, request, context):
        return common_pb2.PingResponse()

    async def Get(self, request, context):
        secrets = await self._secrets(context)
        if request.key not in secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no secret `{request.key}`")
        return secretstore_pb2.GetSecretResponse(data=secrets[request.key])

    async def BulkGet(self, request, context):
        secrets = await self._secrets(context)
        return secretstore_pb2.BulkGetSecretResponse(
            data={
                key: secretstore_pb2.SecretResponse(secrets=values)
                for key, values in secrets.items()
            }
        )

    async def _secrets(self, context: grpc.aio.ServicerContext) -> dict[str, dict[str, str]]:
        component = component_of(context)
        file = self._files.get(component)
        if file is None:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"component `{component}` has not been initialised",
            )
        try:
            return _parse(file.read_text())
        except (OSError, ValueError) as error:
            await context.abort(grpc.StatusCode.INTERNAL, f"{file}: {error}")


def _parse(text: str) -> dict[str, dict[str, str]]:
    """The values of each secret. An empty line and one that begins with # say nothing."""
    secrets: dict[str, dict[str, str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise ValueError(f"line {number} is not name=value")
        secret, _, part = name.partition(".")
        secrets.setdefault(secret, {})[part or secret] = value
    return secrets


if __name__ == "__main__":
    run(
        NAME,
        [secretstore_pb2.DESCRIPTOR.services_by_name["SecretStore"].full_name],
        lambda server: secretstore_pb2_grpc.add_SecretStoreServicer_to_server(Vault(), server),
    )
