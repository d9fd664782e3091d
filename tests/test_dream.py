"""The octave dreamer against the DeepDream algorithm written in NumPy; carried layers, gradients, tiles and memory."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from conftest import Published, tensor
from skimage import data
from torchvision.models import Inception_V3_Weights, get_model

from dreamvideo import Engine, Recipe, RecipeError
from dreamvideo.dream import cuda_graphs, gradient, jitter, octaves, tiles
from dreamvideo.dream.objective import text
from dreamvideo.dream.octaves import Dreamer, octave_sizes
from dreamvideo.networks import device, network
from dreamvideo.networks.load import load_network
from dreamvideo.networks.network import Network
from dreamvideo.recipe import Dream, preset_tables

Gradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Pixels(network.Network):
    """A network whose only activation is the image itself, so that its gradient is known."""

    def __init__(self) -> None:
        super().__init__("pixels", torch.nn.Conv2d(1, 1, 1), [0.0], [1.0])

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"pixels": image}


def weights(size: int, out: int) -> np.ndarray:
    """The matrix of triangle resampling: its support grows as the image shrinks, edges are renormalised."""
    scale = size / out
    reach = max(scale, 1.0)
    centre = (np.arange(out) + 0.5) * scale - 0.5
    matrix = np.maximum(0, 1 - np.abs(np.arange(size)[None] - centre[:, None]) / reach)
    if scale < 1:  # enlarging repeats the edge pixel
        low = np.floor(centre).astype(int)
        matrix = np.zeros((out, size))
        for i, (l, c) in enumerate(zip(low, centre, strict=True)):
            matrix[i, np.clip(l, 0, size - 1)] += 1 - (c - l)
            matrix[i, np.clip(l + 1, 0, size - 1)] += c - l
    return matrix / matrix.sum(1, keepdims=True)


def numpy_resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    rows, columns = weights(image.shape[1], size[0]), weights(image.shape[2], size[1])
    return rows @ image @ columns.T


class Convolutions(network.Network):
    """A network of two fixed layers."""

    def __init__(self) -> None:
        torch.manual_seed(5)
        layers = torch.nn.Conv2d(3, 8, 5, 2, 2), torch.nn.ReLU(), torch.nn.Conv2d(8, 6, 3, 1, 1), torch.nn.ReLU()
        super().__init__("convolutions", torch.nn.Sequential(*layers), [0.5] * 3, [0.25] * 3)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = (image - self.mean) / self.std
        first = self.body[1](self.body[0](x))
        return {"first": first, "second": self.body[3](self.body[2](first))}


def table_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
    """The original loss of two weighted layers, in double precision: squares inside the border over all activations."""
    network = Convolutions().double()
    image = torch.from_numpy(x)[None].requires_grad_()
    loss = torch.zeros((), dtype=torch.float64)
    for name, coefficient in (("first", 0.2), ("second", 3.0)):
        a = network(image)[name]
        loss = loss + coefficient * (a[:, :, 2:-2, 2:-2] ** 2).sum() / a.numel()
    loss.backward()
    assert image.grad is not None
    return float(loss.detach()), image.grad[0].numpy()


def numpy_gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
    inside = np.zeros_like(x)
    inside[:, 2:-2, 2:-2] = x[:, 2:-2, 2:-2]
    return float(np.square(inside).sum() / x.size), 2 * inside / x.size


def original_deepdream(image: np.ndarray, recipe: Dream, octaves: int, gradient: Gradient) -> np.ndarray:
    """Resize the dream, ascend, inject the lost detail; smallest octave first."""
    h, w = image.shape[1:]
    sizes = [(round(h / recipe.octave_scale**k), round(w / recipe.octave_scale**k)) for k in reversed(range(octaves))]
    x, shrunk = numpy_resize(image, sizes[0]), numpy_resize(image, sizes[0])
    for size in sizes:
        x = numpy_resize(x, size)
        for _ in range(recipe.iterations):
            loss, g = gradient(x)
            if loss > recipe.max_loss:
                break
            x = x + recipe.step * g / max(np.abs(g).mean(), 1e-7)
        same_size = numpy_resize(image, size)
        x = x + same_size - numpy_resize(shrunk, size)
        shrunk = same_size
    return x


@pytest.mark.parametrize("max_loss", [10.0, 0.35])
def test_the_classic_recipe_is_the_original_algorithm_step_by_step(max_loss: float, photo: np.ndarray) -> None:
    classic = Recipe().merge(preset_tables("classic")).set(f"dream.max_loss={max_loss}").dream
    dreamer = Dreamer(Pixels(), text.parse_objective("pixels"), classic)
    image = tensor(photo[:, :72])
    expected = original_deepdream(image.numpy().astype(np.float64), classic, 3, numpy_gradient)
    assert np.abs((image + dreamer(image)).numpy() - expected).max() < 1e-4


def test_the_classic_recipe_ascends_its_layers_as_the_original_does(photo: np.ndarray) -> None:
    classic = Recipe().merge(preset_tables("classic")).dream
    dreamer = Dreamer(Convolutions(), text.parse_objective("first=0.2,second=3"), classic)
    image = tensor(photo[:, :72])
    expected = original_deepdream(image.numpy().astype(np.float64), classic, 3, table_gradient)
    assert np.abs(expected - image.numpy()).mean() > 0.05
    assert np.abs((image + dreamer(image)).numpy() - expected).max() < 1e-4


# The contributions of Inception v3's layers in Chollet's book; in Keras they are mixed2, mixed3, mixed4 and mixed5.
CONTRIBUTIONS = {"Mixed_5d": 0.2, "Mixed_6a": 3.0, "Mixed_6b": 2.0, "Mixed_6c": 1.5}


def random_inception() -> torch.nn.Module:
    """Return Inception v3 as torchvision publishes it, for images normalised as ImageNet's, with random weights."""
    torch.manual_seed(0)
    model = get_model("inception_v3", weights=None, init_weights=False, transform_input=True).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.1, 0.1)
            module.running_var.uniform_(0.1, 0.4)
    return model.requires_grad_(False)


def inception_gradient(model: torch.nn.Module) -> Gradient:
    """Return the original loss and its gradient on the stock network, hooked, in double precision."""
    model = copy.deepcopy(model).double()
    model.transform_input = False  # the original's images are in -1 ... 1
    for deeper in ("Mixed_6d", "Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c", "fc"):
        setattr(model, deeper, torch.nn.Identity())
    outputs: dict[str, torch.Tensor] = {}
    for name in CONTRIBUTIONS:
        model.get_submodule(name).register_forward_hook(lambda _, args, out, name=name: outputs.update({name: out}))

    def gradient(x: np.ndarray) -> tuple[float, np.ndarray]:
        image = torch.from_numpy(x)[None].requires_grad_()
        model(2 * image - 1)
        loss = torch.zeros((), dtype=torch.float64)
        for name, coefficient in CONTRIBUTIONS.items():
            a = outputs[name]
            loss = loss + coefficient * (a[:, :, 2:-2, 2:-2] ** 2).sum() / a.numel()
        (found,) = torch.autograd.grad(loss, image)
        return float(loss.detach()), found[0].numpy()

    return gradient


def test_classic_on_inception_v3_is_the_original(photo: np.ndarray, published: Published) -> None:
    """Its layers, weights, normalisation of the image and ascent; three octaves are tested above, on other networks."""
    model = random_inception()
    asked = published(model)
    recipe = Recipe().merge(preset_tables("classic")).set("network.device=cpu")
    assert (recipe.dream.octaves, recipe.dream.iterations) == (3, 20)
    dreamer = Engine(recipe.set("dream.octaves=1").set("dream.iterations=2")).dreamer
    assert asked == [Inception_V3_Weights.IMAGENET1K_V1.url]
    image = tensor(cv2.resize(photo, (128, 144), interpolation=cv2.INTER_CUBIC))
    original, x = inception_gradient(model), image.numpy().astype(np.float64)
    value, direction = original(x)
    assert 0 < value < recipe.dream.max_loss
    assert dreamer.value(image) == pytest.approx(value, rel=1e-5)
    direction /= np.abs(direction).mean()
    assert np.linalg.norm(dreamer.gradient(image[None])[1][0].numpy() - direction) < 1e-4 * np.linalg.norm(direction)
    two_steps = Dream(iterations=2, step=0.005, max_loss=10.0)  # half the original's step, on half its range
    layer = original_deepdream(x, two_steps, 1, original) - x
    assert np.linalg.norm(dreamer(image).numpy() - layer) < 0.02 * np.linalg.norm(layer)  # a step in, ReLUs may differ
    assert dreamer.value(image + dreamer(image)) > 1.1 * value


def test_octave_sizes_go_from_about_130_px_to_the_frame() -> None:
    sizes = octave_sizes(720, 1280, "auto", 1.4)
    assert sizes[-1] == (720, 1280)
    assert 130 / 1.4 < sizes[0][0] < 130 * 1.4
    assert octave_sizes(360, 640, "auto", 1.4)[0][0] == pytest.approx(sizes[0][0], rel=0.25)
    assert octave_sizes(100, 100, "auto", 1.4) == [(100, 100)]
    assert octave_sizes(20, 400, 5, 1.4) == [(20, 400)]  # no octave below what a network can see


def test_laplacian_shaping_makes_every_band_equally_strong() -> None:
    y, x = np.mgrid[:64, :64]
    fine, coarse = np.sin(x * np.pi / 1.5), np.sin(y * np.pi / 24)
    mixed = torch.from_numpy(fine + 100 * coarse).float().expand(1, 3, 64, 64)
    shaped = gradient.laplacian(mixed)[0, 0].numpy()
    strength = [abs((shaped * wave).mean()) / (wave**2).mean() for wave in (fine, coarse)]
    assert 0.2 < strength[0] / strength[1] < 5  # it was 1 : 100


def test_a_carried_layer_is_not_resampled(engine: Engine, photo: np.ndarray) -> None:
    image = tensor(photo)
    carried = torch.randn(image.shape, generator=torch.Generator().manual_seed(0)) * 0.1
    assert torch.equal(engine.dreamer(image, 1, carried, iterations=0), carried)


def test_where_the_step_is_zero_nothing_is_dreamed(engine: Engine, photo: np.ndarray) -> None:
    step = torch.zeros(1, 96, 96)
    step[..., 64:] = 0.01
    layer = engine.dreamer(tensor(photo), 1, None, 2, step)
    assert layer[..., :48].abs().max() == 0
    assert layer[..., 72:].abs().mean() > 0.001


def test_coarser_octaves_take_turns_and_the_finest_has_none(
    engine: Engine, photo: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, image = list[tuple[int, int]](), tensor(photo)
    ascend = octaves.Dreamer.ascend

    def noted(self: octaves.Dreamer, dream: torch.Tensor, step: torch.Tensor, *rest: object) -> torch.Tensor:
        taken.append((dream.shape[-1], len(rest[0])))  # type: ignore[arg-type]
        return ascend(self, dream, step, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(octaves.Dreamer, "ascend", noted)
    recipe = replace(engine.dreamer.recipe, octaves=4)
    dreamer = octaves.Dreamer(engine.network, engine.dreamer.objective, recipe)
    sizes = [width for _, width in octaves.octave_sizes(96, 96, 4, recipe.octave_scale)]
    coarser, layer = octaves.Coarser(torch.full((1, 96, 96), 0.01), turns=3), torch.zeros_like(image)
    for index in range(3):
        taken.clear()
        dreamer(image, index, layer, iterations=1, coarser=coarser)
        turn = {0: [sizes[0]], 1: [sizes[1]], 2: [sizes[2]]}[index]  # 3, 2 and 1 octaves above the finest
        assert taken == [(width, 1) for width in [*turn, sizes[3]]]
    without = dreamer(image, 1, layer, iterations=1, coarser=replace(coarser, turns=0))
    taken.clear()
    heard = list[int]()
    again = dreamer(
        image, 1, layer, iterations=1, coarser=replace(coarser, turns=0), on_octave=lambda x: heard.append(x.shape[-1])
    )
    assert heard == sizes  # all are shown, though only one is ascended
    assert torch.allclose(again, without, atol=1e-6)
    nothing = octaves.Coarser(torch.zeros(1, 96, 96), turns=1)
    assert torch.allclose(dreamer(image, 1, layer, iterations=1, coarser=nothing), without, atol=1e-6)


def test_fewer_steps_of_the_finest_octave_go_as_far(engine: Engine, photo: np.ndarray) -> None:
    image = tensor(photo)
    lengths: dict[tuple[int, ...], list[float]] = {}
    ascend = engine.dreamer.ascend

    def record_steps(
        dream: torch.Tensor, step: torch.Tensor, jitters: torch.Tensor, finest: bool, frame: torch.Tensor | None
    ) -> torch.Tensor:
        lengths.setdefault(tuple(dream.shape[-2:]), []).extend([float(step.mean())] * len(jitters))
        return ascend(dream, step, jitters, finest, frame)

    engine.dreamer.ascend = record_steps
    try:
        engine.dreamer(image, iterations=4, finest=1)
    finally:
        del engine.dreamer.ascend
    *coarse, last = lengths.values()
    assert all(len(octave) == 4 for octave in coarse)
    assert len(last) == 1
    assert sum(last) == pytest.approx(sum(coarse[0]))


def test_the_same_seed_gives_the_same_dream_and_jitter(engine: Engine, photo: np.ndarray) -> None:
    image = tensor(photo)
    assert torch.equal(engine.dreamer(image), engine.dreamer(image))
    shifts = [jitter.draw_jitter(engine.dreamer.recipe, index, 0, 8).tolist() for index in (1, 1, 2)]
    assert shifts[0] == shifts[1] != shifts[2]


def test_a_shift_on_the_device_rolls_the_same(photo: np.ndarray) -> None:
    """As on a GPU, where the shift is not read back to the CPU."""
    image = tensor(photo)[None, :, :70]
    for shift in ((0, 0), (3, -5), (-512, 511)):
        assert torch.equal(jitter._rolled_on_device(image, torch.tensor(shift)), image.roll(shift, (-2, -1)))


def test_an_ascent_step_is_recorded_on_its_second_use(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = []
    monkeypatch.setattr(cuda_graphs, "record", lambda step, pool, *examples: recorded.append(examples[0].shape) or step)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: (0, 1))
    cache, small, large = cuda_graphs.GraphCache(), torch.zeros(4), torch.zeros(9)
    targets = [text.parse_objective("a=1"), text.parse_objective("a=1"), text.parse_objective("a=2")]
    for target, example in [(0, small), (0, large), (1, small), (1, small), (1, large), (2, small)]:
        assert cache.get(torch.neg, targets[target], True, example)(example).shape == example.shape
    assert recorded == [small.shape, large.shape]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="graphs are recorded on NVIDIA's GPUs")
def test_recorded_steps_ascend_as_others_do(photo: np.ndarray) -> None:
    dreamer = Engine(Recipe().set("network.device=cuda")).dreamer
    image = tensor(photo).cuda()
    first, second, third = (dreamer(image, index) for index in (0, 0, 0))
    assert dreamer._graphs is not None
    assert dreamer._graphs._recorded
    for later in (second, third):
        assert float((first - later).abs().mean()) < 1e-3


def test_automatic_precision_is_the_fastest_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU."""
    for faster, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(device, "bf16_is_faster", lambda faster=faster: faster)
        engine = Engine(Recipe().set("network.device=cpu"))
        assert next(engine.dreamer.network.body.parameters()).dtype == dtype
    fixed = Engine(Recipe().set("network.device=cpu").set("network.precision=bf16"))
    assert next(fixed.dreamer.network.body.parameters()).dtype == torch.bfloat16


def test_tiles_ascend_as_the_whole_frame_does(engine: Engine) -> None:
    """For one step: a dream is chaotic, and within thirty steps a rounding difference grows into another dream."""
    astronaut = tensor(cv2.resize(data.astronaut(), (384, 288), interpolation=cv2.INTER_AREA))[None]
    whole = Dreamer(engine.dreamer.network, engine.dreamer.objective, Dream(jitter=0))
    tiled = Dreamer(engine.dreamer.network, engine.dreamer.objective, Dream(jitter=0))
    step = tiles.memory_per_pixel(tiled.network, astronaut.device, 0)
    tiled.memory_budget = (tiles.FILM_OVERHEAD * 384 * 288) + 0.7 * step.small * 384 * 288
    assert len(tiled.plan(astronaut)) == 2
    wanted, found = whole.gradient(astronaut)[1], tiled.gradient(astronaut)[1]
    assert float(torch.cosine_similarity(wanted.flatten(), found.flatten(), 0)) > 0.99
    assert Dream().step * float((wanted - found).abs().mean()) < 1 / 255
    seam = next(iter(tiled.plan(astronaut))).place[1].stop
    dreamed = astronaut + tiled(astronaut[0])  # every step on the same tiles, because nothing is shifted
    for picture in (found, dreamed):
        across = picture.diff(dim=-1).abs().mean((0, 1, 2))
        around = torch.cat([across[seam - 33 : seam - 1], across[seam : seam + 32]])
        assert across[seam - 1] < around.max()  # no edge at the seam stands out of the texture


@pytest.mark.parametrize(("height", "width", "most"), [(720, 1280, 3e5), (721, 1283, 1e5), (300, 4000, 2e5)])
def test_tiles_cover_every_pixel_once(height: int, width: int, most: float) -> None:
    covered = torch.zeros(height, width)
    parts = tiles.plan_tiles(height, width, most)
    for tile in parts:
        assert tile.pixels <= most
        frame = torch.zeros(height, width)
        assert frame[tile.crop][tile.core].shape == covered[tile.place].shape
        covered[tile.place] += 1
        assert all(side.start % tiles.GRID == 0 for side in tile.crop)
    assert covered.min() == covered.max() == 1
    assert len(parts) < 4 * height * width / most + 3


def test_an_unusable_memory_budget_is_reported() -> None:
    for amount in ("4", "much", "-1GB"):
        with pytest.raises(RecipeError, match="write 4GB"):
            Engine(Recipe().set(f"network.memory={amount}"))
    with pytest.raises(RecipeError, match="give at least"):
        Engine(Recipe().set("network.device=cpu").set("network.memory=10MB"))
    with pytest.raises(RecipeError, match="give --memory more"):
        tiles.plan_tiles(4000, 4000, 1e4)


def test_half_precision_gradients_point_the_same_way(photo: np.ndarray) -> None:
    target = text.parse_objective("blocks.9=1,blocks.10=1")
    image = tensor(photo)[None]
    gradients = [
        Dreamer(load_network(network.EMBEDDED, target.layers, dtype=dtype), target, Dream(shaping="mean")).gradient(
            image
        )[1]
        for dtype in (torch.float32, torch.float16, torch.bfloat16)
    ]
    for half in gradients[1:]:
        assert torch.cosine_similarity(gradients[0].flatten(), half.flatten(), dim=0) > 0.8


def test_the_finest_octave_has_no_pixel_frequency(photo: np.ndarray) -> None:
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(8, 8)[None, None]
    assert gradient.soften(board)[..., 1:-1, 1:-1].abs().max() < 1e-6
    ramp = torch.arange(16.0).repeat(16, 1)[None, None]
    assert torch.allclose(gradient.soften(ramp)[..., 1:-1], ramp[..., 1:-1])
    layer = Engine(Recipe().set("dream.octaves=1").set("dream.iterations=3")).dreamer(tensor(photo))
    spectrum = torch.fft.fft2(layer).abs().mean(0)
    assert spectrum[44:53, 44:53].mean() < 0.03 * spectrum[4:20, 4:20].mean()


def test_the_gradient_of_total_variation_equals_autograd(photo: np.ndarray) -> None:
    image = tensor(photo)[None, :, :20, :30].requires_grad_()
    down, right = image.diff(dim=-2)[..., :-1], image.diff(dim=-1)[..., :-1, :]
    (down.square() + right.square() + gradient.SMOOTHING**2).sqrt().sum().backward()
    found = gradient.total_variation(image.detach())
    assert torch.allclose(found[..., 1:-2, 1:-2], image.grad[..., 1:-2, 1:-2], atol=1e-5)


def test_total_variation_smooths_and_pull_restrains_a_dream(photo: np.ndarray) -> None:
    image = tensor(photo)
    sizes = {}
    for name in ("dream.seed=0", "dream.tv=1", "dream.pull=1"):
        layer = Engine(Recipe().set("dream.octaves=2").set("dream.iterations=8").set(name)).dreamer(image)
        roughness = (image + layer).diff(dim=-1).abs().mean()
        sizes[name] = float(roughness), float(layer.abs().mean())
    assert sizes["dream.tv=1"][0] < 0.8 * sizes["dream.seed=0"][0]
    assert sizes["dream.pull=1"][1] < 0.8 * sizes["dream.seed=0"][1]


def test_gaussian_shaping_is_three_blurs() -> None:
    point = torch.zeros(1, 3, 41, 41)
    point[..., 20, 20] = 1
    blurred = [
        cv2.GaussianBlur(point[0, 0].numpy(), (0, 0), blur, borderType=cv2.BORDER_REPLICATE) for blur in (0.5, 1, 2)
    ]
    assert np.allclose(gradient.gaussian(point)[0, 1].numpy(), np.mean(blurred, 0), atol=2e-3)


def test_natural_colours_change_together() -> None:
    """A gradient in one colour channel changes the others, too, more so the stronger their correlation in photos."""
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    r, g, b = gradient.mix_colors(red, 0.0).flatten().tolist()
    assert r > g > b > 0
    between = gradient.mix_colors(red, 0.5).flatten()
    assert torch.allclose(between, (torch.tensor([r, g, b]) + red.flatten()) / 2)
    assert gradient.rainbow_share("natural") == 0 and gradient.rainbow_share("rainbow") == 1


def test_rotation_and_zoom_agree_with_opencv(photo: np.ndarray) -> None:
    image = tensor(photo)[None, :, :, :80]
    assert torch.allclose(jitter.rotated(image, torch.tensor(0.0), torch.tensor(1.0)), image, atol=1e-5)
    angle, scale = 20.0, 1.2
    found = jitter.rotated(image, torch.tensor(math.radians(angle)), torch.tensor(scale))[0].permute(1, 2, 0).numpy()
    matrix = cv2.getRotationMatrix2D((39.5, 47.5), angle, scale)
    wanted = cv2.warpAffine(image[0].permute(1, 2, 0).numpy(), matrix, (80, 96), borderMode=cv2.BORDER_REFLECT)
    assert np.abs(found - wanted)[16:-16, 16:-16].mean() < 0.01


def test_a_dream_with_rotation_and_zoom_rises_nearly_as_far(photo: np.ndarray) -> None:
    recipe, image, gains = Recipe().set("dream.iterations=10"), tensor(photo), []
    for variant in (recipe, recipe.set("dream.jitter_rotate=10").set("dream.jitter_scale=1.1")):
        dreamer = Engine(variant).dreamer
        gains.append(dreamer.value(image + dreamer(image)) - dreamer.value(image))
    assert gains[1] > 0.6 * gains[0] > 0
    jitters = jitter.draw_jitter(dreamer.recipe, 0, 0, 50)
    assert 0.1 < jitters[:, 2].abs().max() <= np.radians(10)
    assert 1.05 < jitters[:, 3].max() <= 1.1


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")])
def test_tiles_become_smaller_when_memory_runs_out(error: Exception, engine: Engine) -> None:
    class Small(Network):
        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            if image.shape[-1] * image.shape[-2] > 40_000:
                raise error
            return super().forward(image)

    network = engine.dreamer.network
    small = Small(network.name, network.body, [0.5] * 3, [0.5] * 3)
    dreamer = Dreamer(small, engine.dreamer.objective, Dream(octaves=1, iterations=1))
    image = tensor(cv2.resize(data.astronaut(), (256, 192), interpolation=cv2.INTER_AREA))
    layer = dreamer(image)
    assert layer.abs().mean() > 0.005
    assert [notice.split(":")[0] for notice in dreamer.notices] == ["out of memory"] * len(dreamer.notices)
    assert dreamer.notices[-1].endswith(f"{len(dreamer.plan(image))} tiles")
    notices = len(dreamer.notices)
    dreamer(image)
    assert len(dreamer.notices) == notices  # the size found is kept
