"""How much a call may do: a table."""

import pytest

from conversations.core.risk import Risk, risk_of
from conversations.core.touched import StoredTouched

LS = (("ls",),)


@pytest.mark.parametrize(
    ("operation", "touched", "sandbox", "risk"),
    [
        ("read", StoredTouched(reads=("a.txt",)), "bubblewrap", Risk.LOW),
        ("call", StoredTouched(), "none", Risk.LOW),
        ("write", StoredTouched(writes=("a.txt",)), "bubblewrap", Risk.MEDIUM),
        ("execute", StoredTouched(command="ls", argvs=LS), "landlock", Risk.MEDIUM),
        ("execute", StoredTouched(command="ls", argvs=LS), "none", Risk.HIGH),
        ("execute", StoredTouched(command="$(x)", argvs=None), "bubblewrap", Risk.HIGH),
        ("execute", StoredTouched(command="ls", argvs=LS, network=True), "bubblewrap", Risk.HIGH),
        ("delete", StoredTouched(deletes=("a.txt",)), "bubblewrap", Risk.HIGH),
        ("network", StoredTouched(hosts=("example.org",)), "bubblewrap", Risk.HIGH),
        ("call", StoredTouched(foreign=True), "bubblewrap", Risk.HIGH),
    ],
)
def test_the_risk_of_a_call(operation, touched, sandbox, risk):
    found, why = risk_of(operation, touched, sandbox=sandbox)
    assert found == risk
    assert why.endswith(".")
