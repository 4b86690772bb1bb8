"""The machine: what a process may use of it."""

import pytest

from tracekd import machine


@pytest.mark.parametrize(
    ("line", "file", "said", "expected"),
    [
        ("0::/job/1", "job/1/memory.max", "1073741824", 2**30),  # version 2
        ("0::/job/1", "job/1/memory.max", "max", 2**63),
        ("4:memory:/job", "memory/job/memory.limit_in_bytes", "2147483648", 2**31),  # version 1
        ("7:blkio:/job", "blkio/job/memory.max", "5", 2**63),  # not memory's tree
    ],
)
def test_a_container_or_batch_job_bounds_the_memory(tmp_path, line, file, said, expected):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(said + "\n")
    (tmp_path / "cgroup").write_text(line + "\n")
    assert min(machine._allowed(tmp_path, tmp_path / "cgroup")) == expected
