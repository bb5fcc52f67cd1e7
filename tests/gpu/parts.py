"""The parts of measure.py: python tests/gpu/parts.py NAME FILE.json [--deadline T] [--dry]."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))

WARM = 8
"""Steps that are not counted, during which programs are compiled and queues fill."""
GRAM = {"style_loss": "gram", "optimizer": "adam"}
"""The paper's loss, by plain Adam: what PyTorch's side computes."""
LOSSES: dict[str, dict[str, Any]] = {
    "gram, adam": GRAM,
    "gram": {"style_loss": "gram"},
    "default": {},
}


class Figures:
    """What a part has measured so far, in its file after every figure."""

    def __init__(self, file: Path, deadline: float):
        self.file, self.deadline = file, deadline
        self.values: dict[str, Any] = {}
        if file.exists():
            self.values = json.loads(file.read_text(encoding="utf-8"))

    def take(self, name: str, measure: Callable[[], Any], seconds: float = 0) -> Any:
        """Measure it unless it is there, or the time is too short for the seconds it may take.

        What failed is there too, as a sentence, and is tried again the next time.
        """
        there = self.values.get(name)
        if there is not None and not (isinstance(there, dict) and "error" in there):
            return there
        if time.time() + seconds > self.deadline:
            print(f"  {name}: no time left", flush=True)
            return None
        try:
            self.values[name] = measure()
        except Exception as error:  # out of memory, a missing compiler: the table says so
            said = f"{type(error).__name__}: {error}".split("\n")[0][:300]
            self.values[name] = {"error": said}
        print(f"  {name}: {json.dumps(self.values[name], ensure_ascii=False)}", flush=True)
        temporary = self.file.with_suffix(".new")
        temporary.write_text(json.dumps(self.values, ensure_ascii=False), encoding="utf-8")
        temporary.replace(self.file)
        return self.values[name]


def photograph(size: int) -> np.ndarray:
    """A square photograph of so many pixels along its edges."""
    from matplotlib.cbook import get_sample_data
    from PIL import Image

    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        square = image.convert("RGB").crop((0, 0, 512, 512)).resize((size, size))
    return np.asarray(square, np.float32) / 255


def painting(size: int) -> np.ndarray:
    """A square cut of the style picture of the examples."""
    from PIL import Image

    with Image.open(ROOT / "examples" / "images" / "style.jpg") as image:
        edge = min(image.size)
        square = image.convert("RGB").crop((0, 0, edge, edge)).resize((size, size))
    return np.asarray(square, np.float32) / 255


def peak_gib() -> float | None:
    """The most memory that the process had on the device so far."""
    import jax

    stats = jax.devices()[0].memory_stats() or {}
    return round(stats["peak_bytes_in_use"] / 2**30, 2) if "peak_bytes_in_use" in stats else None


class Marks:
    """A callback that notes when some of the steps were done."""

    def __init__(self, *steps: int):
        self.at: dict[int, float] = dict.fromkeys(steps, 0.0)
        self.first = 0.0

    def __call__(self, progress: Any) -> None:
        if progress.step == 2:
            np.asarray(progress.losses["total"])  # of step 1: it has been made
            self.first = time.perf_counter()
        if progress.step in self.at:
            np.asarray(progress.losses["total"])
            self.at[progress.step] = time.perf_counter()


def timed_steps(run: Callable[..., Any], steps: int, warm: int = WARM) -> dict[str, Any]:
    """Milliseconds a step of a run, given its callback, without the first ones."""
    marks, began = Marks(warm, steps), time.perf_counter()
    run(callback=marks, steps=steps)
    took = (marks.at[steps] - marks.at[warm]) / (steps - warm)
    first = marks.first - began
    return {"ms": round(1e3 * took, 3), "first_step_s": round(first, 1), "peak_gib": peak_gib()}


def device(figures: Figures, dry: bool) -> None:
    """What there is: the device, versions, the matrix peak, and the host's share of a step."""
    import jax
    import jax.numpy as jnp

    def about() -> dict[str, Any]:
        found = jax.devices()[0]
        versions = {}
        for name in ("jax", "jaxlib", "flax", "optax", "numpy", "torch"):
            try:
                versions[name] = version(name)
            except PackageNotFoundError:
                versions[name] = "none"
        return {
            "device": found.device_kind,
            "platform": found.platform,
            "python": sys.version.split()[0],
            "cores": os.cpu_count(),
            **versions,
        }

    def peak(dtype: Any, size: int) -> float:
        random = jax.random.normal(jax.random.key(0), (size, size), dtype)
        product = jax.jit(jnp.matmul)
        product(random, random).block_until_ready()
        seconds = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(10):
                result = product(random, random)
            result.block_until_ready()
            seconds.append((time.perf_counter() - began) / 10)
        return round(2 * size**3 / median(seconds) / 1e12, 2)

    def host() -> float:
        import speed_jnst

        return round(1e3 * speed_jnst.host(), 3)

    size = 256 if dry else 8192
    figures.take("about", about)
    figures.take("matrix peak, bfloat16, TFLOP/s", lambda: peak(jnp.bfloat16, size))
    figures.take("matrix peak, TF32, TFLOP/s", lambda: peak(jnp.float32, size))
    figures.take("host, ms a step", host)


def steps(figures: Figures, dry: bool) -> None:
    """Steps of the product's own loop, by size, precision and loss; and of batches."""
    import jnst

    sizes = [32, 48] if dry else [512, 1024, 256, 128, 2048]  # the most asked for first
    models: dict[str, Any] = {}

    def model(precision: str) -> Any:
        if precision not in models:
            models[precision] = jnst.load_vgg19(precision=precision)
        return models[precision]

    def single(size: int, precision: str, loss: str) -> dict[str, Any]:
        content, style = photograph(size), painting(size)

        def run(**options: Any) -> None:
            jnst.stylize(
                model(precision), content, style, sizes=size, tile=None, **LOSSES[loss], **options
            )

        return timed_steps(run, 12 if dry else 60 if size < 2048 else 30)

    def batch(count: int, size: int, loss: str) -> dict[str, Any]:
        content, style = photograph(size), painting(size)
        betas = [float(beta) for beta in np.linspace(1, 4, count)]

        def run(**options: Any) -> None:
            jnst.stylize_grid(
                model("bfloat16"),
                content,
                style,
                alpha=1.0,
                beta=betas,
                batch=count,
                sizes=size,
                tile=None,
                **LOSSES[loss],
                **options,
            )

        return timed_steps(run, 12 if dry else 40)

    batches = [(16, sizes[0] if dry else 256), (4, sizes[0] if dry else 256)]
    for precision, loss in (
        ("bfloat16", "gram, adam"),
        ("bfloat16", "default"),
        ("float32", "gram, adam"),
        ("float32", "default"),
        ("bfloat16", "gram"),
    ):
        for size in sizes if precision == "bfloat16" else sizes[:2]:
            take = (size, precision, loss)
            name = f"{size} px, {precision}, {loss}"
            figures.take(name, lambda take=take: single(*take), seconds=15)
        for count, size in batches if precision == "bfloat16" else ():
            take = (count, size, loss)
            name = f"{count} × {size} px, bfloat16, {loss}"
            figures.take(name, lambda take=take: batch(*take), seconds=20)


def profile(figures: Figures, dry: bool) -> None:
    """What the kernels of a 512 px step take, the longest first."""
    import jax

    import jnst

    size = 32 if dry else 512
    begin, end = WARM, WARM + 10
    model = jnst.load_vgg19(precision="float32" if dry else "bfloat16")
    content, style = photograph(size), painting(size)

    def kernels(loss: str) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:

            def callback(progress: Any) -> None:
                if progress.step == begin:
                    np.asarray(progress.losses["total"])
                    jax.profiler.start_trace(folder)
                if progress.step == end:
                    np.asarray(progress.losses["total"])
                    jax.profiler.stop_trace()

            jnst.stylize(
                model,
                content,
                style,
                sizes=size,
                steps=end + 2,
                tile=None,
                callback=callback,
                **LOSSES[loss],
            )
            return top_kernels(Path(folder), end - begin)

    for loss in LOSSES:
        figures.take(f"{size} px, {loss}", lambda loss=loss: kernels(loss), seconds=15)


def top_kernels(folder: Path, steps: int, most: int = 15) -> dict[str, Any]:
    """Of a trace: the time of all kernels, and of the longest, in microseconds a step."""
    import jax

    (trace,) = folder.rglob("*.xplane.pb")
    data = jax.profiler.ProfileData.from_file(str(trace))
    totals: dict[str, list[float]] = {}
    for plane in data.planes:
        if not plane.name.startswith("/device:GPU"):
            continue
        for line in plane.lines:
            if not line.name.startswith("Stream"):
                continue
            for event in line.events:
                facts = dict(event.stats)
                name = str(facts.get("hlo_op") or facts.get("name") or event.name)
                kernel = event.name if event.name != name else ""
                entry = totals.setdefault(f"{name} | {kernel}", [0.0, 0.0])
                entry[0] += event.duration_ns / 1e3
                entry[1] += 1
    longest = sorted(totals.items(), key=lambda item: -item[1][0])
    return {
        "busy_us": round(sum(time for time, _ in totals.values()) / steps, 1),
        "kernels": round(sum(count for _, count in totals.values()) / steps, 1),
        "longest": [
            [name[:160], round(time / steps, 1), round(count / steps, 1)]
            for name, (time, count) in longest[:most]
        ],
    }


def torch(figures: Figures, dry: bool) -> None:
    """PyTorch's steps of the same work: VGG-19, content and Gram losses, Adam."""
    import speed_torch

    def timed(size: int, batch: int, precision: str, compiled: str | None) -> dict[str, float]:
        run = speed_torch.prepare(size, batch, precision, compiled)
        for _ in range(5):
            run()
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            for _ in range(1 if dry else 20):
                run()
            seconds.append((time.perf_counter() - began) / (1 if dry else 20))
        return {"ms": round(1e3 * median(seconds), 3)}

    eager = [(512, 1), (1024, 1), (256, 1), (256, 16), (2048, 1), (256, 4)]
    compiled = [(512, "reduce-overhead"), (512, "default"), (1024, "default")]
    if dry:
        eager, compiled = [(32, 1)], []

    def take_eager(precision: str) -> None:
        for size, batch in eager:
            label = f"{batch} × {size} px" if batch > 1 else f"{size} px"
            take = (size, batch, precision, None)
            figures.take(f"{label}, {precision}, eager", lambda take=take: timed(*take), seconds=4)

    take_eager("bfloat16")
    for size, mode in compiled:
        take = (size, 1, "bfloat16", mode)
        name = f"{size} px, bfloat16, compiled, {mode}"
        figures.take(name, lambda take=take: timed(*take), seconds=20)
    take_eager("float32")


def shell(figures: Figures, dry: bool) -> None:
    """The default from the shell: when the first step is done, and the picture, cold and warm."""
    sizes = (48,) if dry else (512, 1024)
    cache = Path(os.environ["JNST_CACHE"])

    def run(size: int, cold: bool) -> dict[str, float]:
        if cold:
            shutil.rmtree(cache / "xla", ignore_errors=True)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save(folder / "content.png", photograph(size))
            save(folder / "style.png", painting(size))
            command = [sys.executable, "-m", "jnst", "stylize", "content.png", "style.png"]
            command += ["-o", "out.png", "--size", str(size)]
            began, steps = time.perf_counter(), []
            process = subprocess.Popen(
                command, cwd=folder, stderr=subprocess.PIPE, text=True, env=os.environ
            )
            for line in process.stderr or ():
                if line.startswith("step "):
                    steps.append(time.perf_counter() - began)
                else:
                    print("   ", line.rstrip())
            if process.wait():
                raise RuntimeError("jnst stylize failed")
            took = time.perf_counter() - began
        return {
            "first_step_s": round(steps[0], 2),
            "last_step_s": round(steps[-1], 2),
            "picture_s": round(took, 2),
        }

    def steps_alone(size: int) -> dict[str, Any]:
        import jnst

        model, content, style = jnst.load_vgg19(), photograph(size), painting(size)
        seconds = []
        for _ in range(3):
            began = time.perf_counter()
            result = jnst.stylize(model, content, style)
            seconds.append(time.perf_counter() - began)
        return {"seconds": round(min(seconds), 2), "steps": result.steps, "peak_gib": peak_gib()}

    for size in sizes:
        figures.take(f"{size} px, cold", lambda size=size: run(size, True), seconds=20)
        for turn in (1, 2):
            figures.take(
                f"{size} px, warm, run {turn}", lambda size=size: run(size, False), seconds=10
            )
    for size in sizes:
        name = f"{size} px, in a process that has compiled"
        figures.take(name, lambda size=size: steps_alone(size), seconds=30)


def save(path: Path, image: np.ndarray) -> None:
    from PIL import Image

    Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(path)


def tests(figures: Figures, dry: bool) -> None:
    """test_device.py, whose tests say something of an accelerator."""

    def run() -> dict[str, Any]:
        options = ["-v", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "filterwarnings="]
        options += ["--confcutdir", ROOT / "tests" / "gpu"]  # not the flags of processors
        command = [sys.executable, "-m", "pytest", *options, ROOT / "tests" / "gpu"]
        cache = {"JAX_COMPILATION_CACHE_DIR": f"{os.environ['JNST_CACHE']}/xla"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | cache
        )
        ended = threading.Timer(max(1.0, figures.deadline - time.time()), process.terminate)
        ended.start()
        outcomes, line = [], ""
        for line in process.stdout or ():
            print("   ", line.rstrip(), flush=True)
            test, _, outcome = line.partition("::")[2].partition(" ")
            if outcome.startswith(("PASSED", "FAILED", "ERROR")):
                outcomes.append(f"{test}: {outcome.split()[0].lower()}")
        ended.cancel()
        code = process.wait()
        summary = line.strip(" =\n") if code >= 0 else "ended, as the time was up"
        return {"summary": summary, "outcomes": outcomes} | ({"error": summary} if code else {})

    figures.take("tests", run, seconds=20)


def grid(figures: Figures, dry: bool) -> None:
    """A 4×4 grid of the default at 256 px, and the 16 runs by themselves."""
    import jnst

    size = 32 if dry else 256
    options: dict[str, Any] = {"steps": 4} if dry else {}
    model, content, style = jnst.load_vgg19(), photograph(size), painting(size)
    alphas, betas = [0.5, 1.0, 1.5, 2.0], [1.0, 2.0, 3.0, 4.0]

    def cells() -> None:
        jnst.stylize_grid(model, content, style, alpha=alphas, beta=betas, **options)

    def runs() -> None:
        for alpha in alphas:
            for beta in betas:
                jnst.stylize(model, content, style, alpha=alpha, beta=beta, **options)

    def timed(make: Callable[[], None]) -> dict[str, Any]:
        seconds = []
        for _ in range(2 if dry else 3):
            began = time.perf_counter()
            make()
            seconds.append(time.perf_counter() - began)
        return {"cold_s": round(seconds[0], 2), "warm_s": round(min(seconds[1:]), 2)}

    figures.take("grid of 16", lambda: timed(cells), seconds=30)
    figures.take("16 runs", lambda: timed(runs), seconds=30)


def fast(figures: Figures, dry: bool) -> None:
    """One pass by AdaIN and by a network of `jnst train`; a step of its training; frames."""
    import jax

    import jnst
    from jnst.feedforward.painting import paint_with
    from jnst.feedforward.training import train
    from jnst.feedforward.transfer import check_manner, look_at_styles, paint
    from jnst.nn.painter import new_painter
    from jnst.nn.painter_file import Architecture

    sizes = (64,) if dry else (512, 1024)
    adain = jnst.load_adain()

    def passes(call: Callable[[], Any]) -> dict[str, float]:
        began = time.perf_counter()
        jax.block_until_ready(call())
        first = time.perf_counter() - began
        seconds = []
        for _ in range(3 if dry else 20):
            began = time.perf_counter()
            jax.block_until_ready(call())
            seconds.append(time.perf_counter() - began)
        return {"ms": round(1e3 * median(seconds), 2), "first_s": round(first, 1)}

    def adain_at(size: int, matching: str) -> dict[str, Any]:
        content, style = photograph(size), painting(size)
        manner = check_manner(matching, 1.0, None, 1.0, "style")
        looks = look_at_styles(adain, content, [style], manner)
        whole = passes(lambda: jnst.fast(adain, content, style, matching=matching))
        known = passes(lambda: paint(adain, content, looks, manner))
        return {"ms": known["ms"], "with_style_ms": whole["ms"], "first_s": whole["first_s"]}

    def network_at(size: int) -> dict[str, float]:
        painter, content = new_painter(jax.random.key(0), ("a",), Architecture()), photograph(size)
        return passes(lambda: paint_with(painter, content))

    def frames(size: int, paints: Callable[[np.ndarray], Any]) -> dict[str, float]:
        frame = np.rint(255 * photograph(size)).astype(np.uint8)
        count = 3 if dry else 40

        def one() -> None:
            image = paints(frame.astype(np.float32) / 255)
            np.rint(255 * np.asarray(image)).astype(np.uint8)

        one()
        began = time.perf_counter()
        for _ in range(count):
            one()
        return {"frames_per_s": round(count / (time.perf_counter() - began), 1)}

    def training(batch: int, crop: int) -> dict[str, Any]:
        model, photos = jnst.load_vgg19(), [np.uint8(255 * photograph(512))]

        def run(**options: Any) -> None:
            train(model, photos, painting(256), batch=batch, crop=crop, **options)

        return timed_steps(run, 12 if dry else 40)

    for size in sizes:
        for matching in ("wasserstein", "statistics"):
            take = (size, matching)
            figures.take(f"AdaIN, {matching}, {size} px", lambda t=take: adain_at(*t), seconds=15)
        figures.take(f"trained network, {size} px", lambda s=size: network_at(s), seconds=10)
        painter = new_painter(jax.random.key(0), ("a",), Architecture())
        take = (size, lambda frame, painter=painter: paint_with(painter, frame))
        figures.take(
            f"frames through a trained network, {size} px", lambda t=take: frames(*t), seconds=10
        )
    for batch, crop in ((2, 64),) if dry else ((2, 128), (9, 256)):
        take = (batch, crop)
        figures.take(
            f"training step, {batch} crops of {crop} px", lambda t=take: training(*t), seconds=25
        )


def large(figures: Figures, dry: bool) -> None:
    """Pictures beyond what fits at once: a few steps of each, and the memory they take."""
    import jnst

    model = jnst.load_vgg19()
    cases: tuple[tuple[int, int | str | None], ...]
    cases = ((64, None), (208, 192)) if dry else ((4096, None), (8192, "auto"), (16384, "auto"))

    def run(size: int, tile: int | str | None) -> dict[str, Any]:
        content, style = photograph(size), painting(size)

        def few(**options: Any) -> None:
            jnst.stylize(model, content, style, sizes=size, tile=tile, **options)

        return timed_steps(few, 4, warm=2)

    for size, tile in cases:
        how = "whole" if tile is None else "in tiles"
        take = (size, tile)
        seconds = 0 if dry else size / 100
        figures.take(f"{size} px, {how}", lambda t=take: run(*t), seconds=seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("file", type=Path)
    parser.add_argument("--deadline", type=float, default=float("inf"))
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    parts = {
        part.__name__: part
        for part in (device, steps, profile, torch, shell, tests, grid, fast, large)
    }
    if args.name not in ("shell", "torch", "tests"):
        from jnst.cli.compilation_cache import use_compilation_cache

        use_compilation_cache()  # so that a run that goes on need not compile again
    parts[args.name](Figures(args.file, args.deadline), args.dry)


if __name__ == "__main__":
    main()
