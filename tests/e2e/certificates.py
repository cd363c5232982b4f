"""A CA of a test's own, and what it signs, made by `openssl`.

	ca = Authority(directory); ca.file                          whom to trust
	pair = ca.sign("engine", "IP:127.0.0.1", "DNS:localhost")   pair.certificate, pair.key: PEM files
	ca.sign("old", "IP:127.0.0.1", days=-1)                     has expired
	pair.options                                                what `ledgerline serve` takes
	ca.context()                                                an ssl.SSLContext that trusts it, and takes no end for one that was not said
"""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, stdin=subprocess.DEVNULL)


@dataclass
class Pair:
    certificate: Path
    key: Path

    @property
    def options(self):
        return ["--tls-cert", self.certificate, "--tls-key", self.key]


def make_key(path):
    openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
    return path


class Authority:
    def __init__(self, directory, name="ca"):
        self.directory = Path(directory)
        self.directory.mkdir(exist_ok=True)
        self.file, self.key = self.directory / f"{name}.pem", make_key(self.directory / f"{name}.key")
        openssl("req", "-x509", "-new", "-key", self.key, "-out", self.file, "-days", 30, "-subj", f"/CN={name} of a test")

    def sign(self, name, *names, days=30):
        pair = Pair(self.directory / f"{name}.pem", make_key(self.directory / f"{name}.key"))
        request, names_file = self.directory / f"{name}.csr", self.directory / f"{name}.names"
        names_file.write_text(f"subjectAltName={','.join(names)}\n")
        openssl("req", "-new", "-key", pair.key, "-out", request, "-subj", f"/CN={name}")
        openssl(
            "x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-out", pair.certificate, "-days", days,
            "-extfile", names_file,
        )
        return pair

    def context(self):
        context = ssl.create_default_context(cafile=self.file)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # an end that was not said is an error
        return context
