"""A reference's operations with the roundings of a lower precision put where a recipe says.

A low-precision kernel does not round every elementary step: it widens what it is fed, computes in float32, and rounds
once what it hands on. The reference is written in elementary steps, so this executor knows a kernel by its shape: a
dense layer ends behind its bias, a norm or an activation where its stage ends, a product of two activations at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from parity.backends.executors.numpy_ops import NumpyOps, Read
from parity.ops import Ops, Stage, Tensor
from parity.tensorfile import Array, numpy_dtype

Scope: TypeAlias = Literal["results", "products", "factors"]
_FLOAT32: Final = np.dtype(np.float32)


def rounding(name: str) -> Callable[[Array], Array]:
    """To nearest, ties to even, in the dtype of that name or in TF32 (float32's exponents, ten bits); gives float32."""
    dtype = None if name == "TF32" else numpy_dtype(name)

    def rounded(x: Array) -> Array:
        if dtype is None:
            bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
            kept = (bits + np.uint32(0xFFF) + ((bits >> np.uint32(13)) & np.uint32(1))) & np.uint32(0xFFFFE000)
            found: Array = kept.view(np.float32).reshape(np.shape(x))
            return found
        with np.errstate(over="ignore"):
            return x.astype(dtype).astype(np.float32)

    return rounded


@dataclass(frozen=True)
class Grid:
    """An integer quantiser that looks at what it is fed: equally wide steps over the range of the values.

    With `symmetric`, steps of `max|x| / highest` from `lowest` to `highest`; else steps of `(max - min) / highest` over
    a range that holds 0, which is a step itself (ONNX, DynamicQuantizeLinear; `lowest` is 0).
    """

    lowest: int
    highest: float
    symmetric: bool = False
    group: int | None = None
    """Values of the last axis that share a range; None: the whole tensor, padding included."""

    def __call__(self, x: Array) -> Array:
        """`x` as the quantised values stand for it, float32, same shape."""
        if self.group is not None and x.shape[-1] % self.group == 0:
            parts = x.reshape(*x.shape[:-1], -1, self.group)
            return self._over(parts, parts.min(-1, keepdims=True), parts.max(-1, keepdims=True)).reshape(x.shape)
        return self._over(x, x.min(keepdims=True), x.max(keepdims=True))

    def _over(self, x: Array, least: Array, most: Array) -> Array:
        if self.symmetric:
            step = np.maximum(np.abs(least), np.abs(most)).astype(np.float32) / np.float32(self.highest)
            zero: Array = np.zeros_like(step)
        else:
            low, high = np.minimum(least, np.float32(0)), np.maximum(most, np.float32(0))
            step = ((high - low) / np.float32(self.highest)).astype(np.float32)
            zero = np.rint(np.divide(-low, step, out=np.zeros_like(step), where=step > 0))
        levels = np.rint(np.divide(x, step, out=np.zeros(x.shape, np.float32), where=step > 0)) + zero
        clipped: Array = (np.clip(levels, self.lowest, np.floor(self.highest)) - zero) * step
        return clipped


@dataclass(frozen=True)
class Recipe:
    """Which roundings a precision means in a runtime, and how that is known."""

    provenance: str
    rounding: str | None = None
    """What is rounded to, as `rounding` names it; None where only integers are quantised."""
    scope: Scope = "results"
    """`results`: of every kernel, and the weights. `products`: factors and results of matrix products, and what is
    computed from them before a norm, a softmax or a residual sum, which stay float32 (mixed precision). `factors`: of
    matrix products alone."""
    rounded_before_activation: bool = True
    """A dense layer's result is rounded before its activation as well; False where the two are one kernel."""
    outputs: bool = True
    """Are values that the graph gives out rounded like others? False where outputs are written in float32."""
    activation: Grid | None = None
    """What quantises the left factor of a product with a weight."""
    weight: Grid | None = None
    """What quantises that weight; None: it comes quantised as shipped."""
    vocabulary: bool = True
    """Is the product with a lookup table quantised too?"""


class RoundedOps(NumpyOps):
    """`parity.ops.Ops` in float32 with a recipe's roundings. Walks whole batches, one at a time: ranges are batches'.

    Stages have to go through `watch`, which is where a kernel's last result is known.
    """

    def __init__(self, read: Read, recipe: Recipe) -> None:
        super().__init__(read, _FLOAT32)
        self._recipe = recipe
        self._rounding = None if recipe.rounding is None else rounding(recipe.rounding)
        self._everything = recipe.scope == "results" and recipe.rounding is not None
        self._names: dict[int, str] = {}
        self._products: dict[int, Array] = {}
        self._tables: set[str] = set()
        self._kept: dict[tuple[str, str], Array] = {}
        self._in_norm = self._has_product = False

    def watch(self, stage: Stage, *, output: bool) -> Stage:
        """The same stage, its result rounded where the recipe rounds what a kernel hands on.

        Args:
            stage: of the reference.
            output: is its value given out?
        """

        def fn(ops: Ops, *values: Tensor) -> Tensor:
            self._in_norm = self._has_product = False
            value = stage.fn(ops, *values)
            rounds = self._everything or (self._has_product and not self._in_norm)
            return self._result(value) if rounds and (self._recipe.outputs or not output) else value

        return stage.with_fn(fn)

    def weight(self, name: str) -> Array:
        """In the recipe's dtype where every result is; as a factor it may be rounded further."""
        if ("weight", name) not in self._kept:
            wide = super().weight(name)
            self._kept["weight", name] = self._round(wide) if self._everything else wide
            self._names[id(self._kept["weight", name])] = name
        return self._kept["weight", name]

    def gather_weight(self, name: str, ids: Array) -> Array:
        """Exact, of the rounded table."""
        self._tables.add(name)
        return self.weight(name)[ids].astype(np.float32, copy=False)

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """A weight stays one in another shape."""
        return self._same(x, super().reshape(x, shape))

    def index(self, x: Array, position: int, *, axis: int) -> Array:
        """A weight stays one without an axis of 1."""
        taken = super().index(x, position, axis=axis)
        return self._same(x, taken) if taken.size == x.size else taken

    def _same(self, x: Array, other: Array) -> Array:
        name = self._names.get(id(x))
        if name is None:
            return other
        # Kept for good, so that no other array can be given its address.
        kept = self._kept.setdefault((f"weight {other.shape}", name), other)
        self._names[id(kept)] = name
        return kept

    def matmul(self, a: Array, b: Array, *, transpose_b: bool = False) -> Array:
        """A product; with a weight, it is rounded when its bias has been added."""
        self._has_product = True
        name = self._names.get(id(b))
        if name is None:
            return self._result(super().matmul(self._factor(a), self._factor(b), transpose_b=transpose_b))
        left, right = a.reshape(-1, a.shape[-1]), b  # flat: NumpyOps would come back here with its parts
        if name not in self._tables or self._recipe.vocabulary:
            left = self._factor(left if self._recipe.activation is None else self._recipe.activation(left))
            right = self._weight_factor(name, b)
        product = super().matmul(left, right, transpose_b=transpose_b)
        product = product.reshape(*a.shape[:-1], product.shape[-1])
        self._products = {id(product): product}
        return product

    def add(self, a: Array, b: Array) -> Array:
        """A sum; rounded where two tensors meet, or a dense layer's product and its bias."""
        if id(a) in self._products:
            self._products.clear()
            total = super().add(a, b if self._recipe.scope == "factors" else self._factor(b))
            return self._result(total) if self._recipe.rounded_before_activation else total
        total = super().add(a, b)
        return self._round(total) if self._everything and _wide(a) and _wide(b) else total

    def rsqrt(self, x: Array) -> Array:
        """1 / sqrt(x), inside a norm."""
        self._in_norm = True
        return super().rsqrt(x)

    def softmax(self, x: Array, *, axis: int = -1) -> Array:
        """One kernel."""
        probabilities = super().softmax(x, axis=axis)
        return self._round(probabilities) if self._everything else probabilities

    def _factor(self, x: Array) -> Array:
        return x if self._everything else self._round(x)

    def _weight_factor(self, name: str, weight: Array) -> Array:
        if ("factor", name) not in self._kept:
            quantised = weight if self._recipe.weight is None else self._recipe.weight(weight.astype(np.float32))
            self._kept["factor", name] = self._factor(quantised)
        return self._kept["factor", name]

    def _result(self, x: Array) -> Array:
        return x if self._recipe.scope == "factors" else self._round(x)

    def _round(self, x: Array) -> Array:
        return x if self._rounding is None else self._rounding(x)


def _wide(x: Array) -> bool:
    """More than one number per position: not a norm's statistics, nor a constant."""
    return x.ndim > 0 and x.shape[-1] > 1
