"""The pages tell the truth: what they show is what comes out."""

from pathlib import Path

import pytest

import console

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", ["README.md", "docs/operations.md", "docs/audit.md", "docs/proofs.md", "docs/integration.md"])
def test_a_page_shows_what_comes_out(page, binary, kafka, monkeypatch):
    """Every command of the page's console blocks prints what the page says, but for times and ids of chance."""
    monkeypatch.setenv("LEDGERLINE_TEST_KAFKA", kafka)
    differences = console.play(ROOT / page, binary)
    assert not differences, "\n".join(differences)


@pytest.mark.parametrize("page", ["docs/api.md", "docs/console.md", "docs/tls.md"])
def test_a_page_without_kafka_shows_what_comes_out(page, binary):
    """The same for the pages that need no Kafka."""
    differences = console.play(ROOT / page, binary)
    assert not differences, "\n".join(differences)
