"""The memory that programs take and devices have."""

import os

import jax
import jax.numpy as jnp

from jnst.execution import memory


def test_a_program_needs_its_arguments_results_and_temporaries():
    def product(x):
        return (x @ x.T).sum()

    compiled = jax.jit(product).lower(jnp.ones((1000, 10))).compile()
    assert memory.program_bytes(compiled) >= 4 * 10_000
    larger = jax.jit(lambda x: x @ x.T).lower(jnp.ones((1000, 10))).compile()
    assert 4 * (1_000_000 + 10_000) <= memory.program_bytes(larger) < 3 * 4 * 1_000_000


def test_what_is_donated_counts_once():
    def twice(x):
        return 2 * x

    kept, given = (
        jax.jit(twice, donate_argnums=d).lower(jnp.ones(10**6)).compile() for d in ((), 0)
    )
    assert memory.program_bytes(kept) == memory.program_bytes(given) + 4 * 10**6


def test_a_processor_has_the_memory_of_the_machine():
    free = memory.free_bytes(jax.devices("cpu")[0])
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 10**8 < free <= memory.SHARE * whole


def test_a_device_that_tells_is_believed():
    class Device:
        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 200}

    assert memory.free_bytes(Device()) == 640
