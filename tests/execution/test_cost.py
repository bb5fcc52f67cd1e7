"""Memory and time that are foretold."""

import os

import jax
import jax.numpy as jnp
import pytest

from jnst.execution import memory as cost


def test_a_program_needs_its_arguments_results_and_temporaries():
    def product(x):
        return (x @ x.T).sum()

    compiled = jax.jit(product).lower(jnp.ones((1000, 10))).compile()
    assert cost.needed(compiled) >= 4 * 10_000
    larger = jax.jit(lambda x: x @ x.T).lower(jnp.ones((1000, 10))).compile()
    assert 4 * (1_000_000 + 10_000) <= cost.needed(larger) < 3 * 4 * 1_000_000


def test_what_is_donated_counts_once():
    def twice(x):
        return 2 * x

    kept, given = (
        jax.jit(twice, donate_argnums=d).lower(jnp.ones(10**6)).compile() for d in ((), 0)
    )
    assert cost.needed(kept) == cost.needed(given) + 4 * 10**6


def test_a_processor_has_the_memory_of_the_machine():
    free = cost.free(jax.devices("cpu")[0])
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 10**8 < free <= cost.SHARE * whole


def test_a_device_that_tells_is_believed():
    class Device:
        def memory_stats(self):
            return {"bytes_limit": 1000, "bytes_in_use": 200}

    assert cost.free(Device()) == 640


def test_time_grows_with_steps_pixels_and_cells():
    once = cost.seconds([((100, 100), 10)], 1)
    assert once > 0
    assert cost.seconds([((100, 100), 30), ((50, 100), 20)], 5) == pytest.approx(20 * once)
