"""Apache Kafka's jars, out of the cache (tests/packages)."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "packages"))

import packages  # noqa: E402
from packages import Unavailable  # noqa: E402

VERSION = "3.9.1"


def jars():
    """The directory with the jars. Raises Unavailable: there is no Kafka here, and none can be fetched."""
    proof = [f"kafka_2.13-{VERSION}.jar", f"kafka-clients-{VERSION}.jar", "slf4j-reload4j-1.7.36.jar"]
    return packages.jars(f"kafka-{VERSION}", HERE / "pom.xml", proof)


__all__ = ["Unavailable", "VERSION", "jars"]
