"""The secret store as its runtime sees it: a process behind a socket."""

from __future__ import annotations

import unittest

import grpc
from dapr.proto.components.v1 import common_pb2, secretstore_pb2, secretstore_pb2_grpc

from process_test import INSTANCE, ProcessTest


class VaultTest(ProcessTest):
    program = "vault"

    def start(self) -> None:
        self.file = self.folder / "secrets"
        self.file.write_text('token=abc\n\n# A database\ndb.user=ada\ndb.password=x=y\n')
        super().start()

    def init(self, properties: dict[str, str]) -> None:
        properties = {"file": str(self.file)} if properties else {}
        metadata = common_pb2.MetadataRequest(properties=properties)
        self.stub.Init(secretstore_pb2.SecretStoreInitRequest(metadata=metadata), metadata=INSTANCE)

    @property
    def stub(self) -> secretstore_pb2_grpc.SecretStoreStub:
        return secretstore_pb2_grpc.SecretStoreStub(self.process.channel)

    def get(self, key: str) -> dict[str, str]:
        request = secretstore_pb2.GetSecretRequest(key=key)
        return dict(self.stub.Get(request, metadata=INSTANCE).data)

    def test_a_secret_has_one_value_or_several(self) -> None:
        self.assertEqual(self.get("token"), {"token": "abc"})
        self.assertEqual(self.get("db"), {"user": "ada", "password": "x=y"})

    def test_all_secrets_are_given_at_once(self) -> None:
        answer = self.stub.BulkGet(secretstore_pb2.BulkGetSecretRequest(), metadata=INSTANCE)
        got = {key: dict(secret.secrets) for key, secret in answer.data.items()}
        wanted = {"token": {"token": "abc"}, "db": {"user": "ada", "password": "x=y"}}
        self.assertEqual(got, wanted)

    def test_a_changed_secret_is_given_at_once(self) -> None:
        self.file.write_text('token=other\n')
        self.assertEqual(self.get("token"), {"token": "other"})

    def test_an_unknown_secret_is_not_found(self) -> None:
        with self.assertRaises(grpc.RpcError) as caught:
            self.get("nothing")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_init_tells_what_is_wrong_with_the_file(self) -> None:
        with self.assertRaises(grpc.RpcError) as caught:
            self.init({})
        self.assertIn("file", caught.exception.details())
        self.file.write_text("a=b\ntoken\n")
        with self.assertRaises(grpc.RpcError) as caught:
            self.init({"file": "it"})
        self.assertIn("secrets: line 2", caught.exception.details())


if __name__ == "__main__":
    unittest.main()
