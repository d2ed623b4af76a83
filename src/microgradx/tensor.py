"""`Tensor`: an array that remembers how it was made.

Data is a NumPy array, dtypes follow NumPy 2's promotion (Python numbers are weak), and gradients
have the dtype and shape of their tensor. A Tensor owns its data: ``Tensor(a)`` copies, and an
array that somebody else may still write to is copied or fingerprinted before a backward rule
relies on it, so that data changed between forward and backward is never used in silence.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from microgradx import engine, modes, staleness
from microgradx.engine import TRACKED
from microgradx.errors import (
    DataChangedError,
    DTypeError,
    GraphError,
    IndexingError,
    ShapeError,
    UnsupportedError,
)
from microgradx.graph import ONE_OWNER, Node, tick, topological_order, unlink_where_needed
from microgradx.primitive import PRIMITIVES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import ArrayLike, DTypeLike, NDArray

__all__ = ["Tensor", "tensor"]

EXPOSED = 2
"""The flag of a Tensor whose own array was handed out, so that others may write to it."""
GETITEM = PRIMITIVES["getitem"]
UNBROADCAST = PRIMITIVES["unbroadcast"]
ASTYPE = PRIMITIVES["astype"]
KEEP_ZEROS = PRIMITIVES["keep_zeros"]

_new = object.__new__
_mode = modes.current
_ndarray = np.ndarray


class Tensor(Node):
    """An array in a computation graph, with its gradient.

    Parameters
    ----------
    data : array_like
        Numbers of a floating, integer or boolean dtype; always copied. Python floats give
        float64. A Tensor gives a new leaf with its data.
    requires_grad : bool, optional
        Whether operations on it are recorded. By default true for floating dtypes; integers and
        booleans are constants.
    dtype : dtype_like, optional
        Cast to this.
    name : str, optional
        What drawings and messages call it.

    Attributes
    ----------
    grad : ndarray, Tensor or None
        None until a backward pass reaches it; then an array of this tensor's shape and dtype (a
        Tensor after ``backward(create_graph=True)``).
    op : Primitive or None
        What made it; None for a leaf.
    parents, inputs, params : tuple, tuple, dict or None
        What it was made from: nodes, their raw arrays, static parameters such as ``axis``.

    Raises
    ------
    DTypeError
        For complex numbers, objects or text, and for ``requires_grad=True`` on integers.

    Examples
    --------
    >>> w = Tensor([[1.0, 2.0], [3.0, 4.0]], name="w")
    >>> loss = (w * w).sum()
    >>> loss.backward()
    >>> w.grad
    array([[2., 4.],
           [6., 8.]])
    """

    __slots__ = (
        "__weakref__",
        "_data",
        "_flags",
        "_grad",
        "guard",
        "hooks",
        "inputs",
        "name",
        "op",
        "params",
        "parents",
        "previous",
        "replaced",
        "time",
    )

    __array_priority__ = 100.0

    def __init__(
        self,
        data: ArrayLike | Tensor,
        requires_grad: bool | None = None,
        dtype: DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(data, Tensor):
            data = data._data
        array = np.array(as_array(data, "Tensor"), dtype=dtype, copy=True)
        floating = array.dtype.kind == "f"
        if array.dtype.kind not in "fiub":
            raise DTypeError("Tensor", f"cannot differentiate {array.dtype}", "Use a real dtype")
        if requires_grad and not floating:
            raise DTypeError(
                "Tensor",
                f"{array.dtype} data cannot carry a cotangent",
                "Pass floats, or x.astype(float)",
                dtype=array.dtype,
            )
        self._data: Any = array
        self._grad: Any = None
        self._flags = TRACKED if floating and requires_grad is not False else 0
        self.op: Any = None
        self.parents: Any = ()
        self.inputs: Any = ()
        self.params: Any = None
        self.guard: Any = None
        self.name = name
        self.time = tick()

    # ---- data and gradient ----
    @property
    def data(self) -> NDArray[Any]:
        """The array. A leaf's own, writable; a view that cannot be written to for results."""
        mode = _mode()
        if mode is not None and mode.tape is not None:
            array: NDArray[Any] = mode.tape.read(self)
            return array
        if self.op is not None:
            return _read_only(self._data)
        array = self._data
        if not self._flags & EXPOSED:
            # A graph that still holds the array keeps the old numbers: they move out, and the
            # new owner gets a copy.
            shared = sys.getrefcount(array) > ONE_OWNER
            if shared or array.base is not None or not array.flags.writeable:
                self._data = array = array.copy("K")
            self._flags |= EXPOSED
        return array

    @data.setter
    def data(self, data: Any) -> None:
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.write(self, data)
            return
        if self.op is not None:
            raise GraphError(
                "Tensor.data",
                f"this Tensor is the result of {self.op.name}, so its data follows from its inputs",
                "Assign to a leaf and compute again, or make a new leaf with Tensor(array)",
            )
        if data is not self._data:
            raw = data._data if isinstance(data, Tensor) else data
            array = np.array(as_array(raw, "Tensor.data"), self._data.dtype)
            if array.shape != self._data.shape:
                kind = "a Tensor of shape"
                raise ShapeError(
                    "Tensor.data",
                    f"cannot put an array of shape {array.shape} into {kind} {self._data.shape}",
                    "Make a new Tensor for a new shape",
                )
            self._data = array
            self._flags &= ~EXPOSED
        self.time = tick()

    @property
    def grad(self) -> Any:
        """What the last backward passes left: None, an array, or a Tensor."""
        mode = _mode()
        if mode is not None and mode.tape is not None:
            return mode.tape.read_grad(self)
        grad = self._grad
        if grad.__class__ is not _ndarray:
            settle = getattr(grad, "settle", None)
            if settle is None:
                return grad
            self._grad = grad = settle()  # a replayed program left it in its own memory
        return grad if self.op is None else _read_only(grad)

    @grad.setter
    def grad(self, grad: Any) -> None:
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.write_grad(self, grad)
            return
        if grad is not None and grad is not self._grad and not isinstance(grad, Tensor):
            grad = np.array(as_array(grad, "Tensor.grad"), self._data.dtype)
        if grad is not None and grad.shape != self._data.shape:
            raise ShapeError(
                "Tensor.grad",
                f"cannot be an array of shape {grad.shape} for data of shape {self._data.shape}",
                "Sum or reshape it first",
            )
        self._grad = grad

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this Tensor are recorded for the backward pass."""
        return bool(self._flags & TRACKED)

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if self.op is not None:
            raise GraphError(
                "Tensor.requires_grad",
                f"this Tensor is the result of {self.op.name}, so it follows its inputs",
                "Use detach() to cut it off",
            )
        if wanted and self._data.dtype.kind != "f":
            raise DTypeError(
                "Tensor.requires_grad",
                f"{self._data.dtype} data cannot carry a cotangent",
                "Pass floats, or x.astype(float)",
            )
        self._flags = self._flags | TRACKED if wanted else self._flags & ~TRACKED

    def backward(self, cotangent: Any = None, create_graph: bool = False) -> None:
        """Set ``grad`` of everything tracked that this Tensor was made from.

        Leaves accumulate over calls; results in between are computed afresh.

        Parameters
        ----------
        cotangent : array_like, optional
            Of this tensor's shape. May be left out for a single number, where it is 1. An array
            becomes this tensor's `grad` as it is; it is not copied.
        create_graph : bool, optional
            Build the backward pass as a graph: gradients are then Tensors that can be drawn and
            differentiated again.

        Raises
        ------
        GraphError
            If the root has many elements and no `cotangent`, or nothing in it is tracked.
        ShapeError
            If `cotangent` has another shape.
        DataChangedError
            If an array that a rule needs was overwritten since the forward pass.

        Examples
        --------
        >>> x = Tensor([1.0, 2.0])
        >>> (x * 3).backward([1.0, 10.0])
        >>> x.grad
        array([ 3., 30.])
        """
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.backward(self, cotangent)
            return
        if not self._flags & TRACKED:
            raise GraphError(
                "backward",
                "nothing in this result is tracked",
                "Make some input a Tensor of floats with requires_grad=True, outside no_grad",
            )
        array = self._data
        if cotangent is None:
            engine.scalar_root(self)
            seed: Any = np.ones(array.shape, array.dtype)
        else:
            graph = create_graph and isinstance(cotangent, Tensor)
            seed = cotangent if graph else _seed(cotangent, array)
        if not create_graph:
            engine.backward_arrays(self, seed)
            return
        seed = seed if isinstance(seed, Tensor) else _constant(seed)
        found = engine.cotangents([self], [seed])
        for node in topological_order(self):
            c = found.get(id(node))
            if node.op is not None:
                # As numbers: a result that held the graph of its own gradient would be a cycle.
                node._grad = None if c is None else c._data
            elif c is not None:
                old = node._grad
                node._grad = c + old if old is not None else c

    def zero_grad(self) -> None:
        """Forget the gradient: set ``grad`` to None."""
        self.grad = None

    def detach(self) -> Tensor:
        """A constant with the same numbers: no gradient flows through it.

        Returns
        -------
        Tensor
            Untracked; a copy, so that later writes to either leave the other alone.
        """
        mode = _mode()
        if mode is not None and mode.tape is not None:
            return mode.tape.read(self)  # type: ignore[no-any-return]
        constant = _constant(self._data.copy("K"), self.name)
        if mode is not None and mode.watcher is not None:
            mode.watcher.detached(constant, self)
        return constant

    # ---- reading ----
    @property
    def shape(self) -> tuple[int, ...]:
        """The lengths of the axes."""
        return self._data.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The NumPy dtype."""
        return self._data.dtype  # type: ignore[no-any-return]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size  # type: ignore[no-any-return]

    @property
    def nbytes(self) -> int:
        """The memory the data takes, in bytes."""
        return self._data.nbytes  # type: ignore[no-any-return]

    @property
    def T(self) -> Tensor:  # noqa: N802 - NumPy's name
        """All axes reversed."""
        return self.transpose()

    @property
    def mT(self) -> Tensor:  # noqa: N802 - NumPy's name
        """The last two axes exchanged."""
        result: Tensor = PRIMITIVES["swap"](self)
        return result

    def numpy(self) -> NDArray[Any]:
        """The data as an array that cannot be written to.

        Returns
        -------
        ndarray
            A view; copy it to change it.
        """
        self._refuse_traced("numpy")
        return _read_only(self._data)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        self._refuse_traced("numpy.asarray")
        if copy or (dtype is not None and np.dtype(dtype) != self._data.dtype):
            return np.array(self._data, dtype=dtype)
        return _read_only(self._data)

    def item(self) -> Any:
        """The only element, as a Python number.

        Raises
        ------
        ShapeError
            If there are several.
        """
        self._refuse_traced("item")
        self._single("item")
        return self._data.item()

    def tolist(self) -> Any:
        """The data as nested lists of Python numbers."""
        self._refuse_traced("tolist")
        return self._data.tolist()

    def copy(self) -> Tensor:
        """The same numbers in new memory, still connected: gradients flow through.

        Returns
        -------
        Tensor
            The result of an operation on this one.
        """
        result: Tensor = PRIMITIVES["positive"](self)
        return result

    def _single(self, where: str) -> None:
        if self._data.size != 1:
            raise ShapeError(
                where,
                f"a Tensor of shape {self._data.shape} is not a single number",
                "Reduce it first, for example x.mean(), x.all() or x.any()",
            )

    def _refuse_traced(self, what: str) -> None:
        mode = _mode()
        if mode is not None and mode.tape is not None:
            mode.tape.refuse(self, what)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            problem = f"a Tensor of {self._data.dtype} is no whole number"
            raise DTypeError("index", problem, "Use int(x)")
        return int(self.item())

    def __bool__(self) -> bool:
        self._refuse_traced("bool")
        self._single("bool")
        return bool(self._data)

    def __len__(self) -> int:
        if not self._data.ndim:
            raise ShapeError("len", "a Tensor of shape () has no length", "Use x.size")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if not self._data.ndim:
            problem = "a Tensor of shape () has no elements to go through"
            raise UnsupportedError("iter", problem, "Use x.item()")
        return (self[i] for i in range(len(self._data)))

    def __contains__(self, item: Any) -> bool:
        return item in self._data

    def __hash__(self) -> int:
        return id(self) >> 4

    def __repr__(self) -> str:
        body = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=1000)
        dtype = "" if self._data.dtype.char in "dl?" else f", dtype={self._data.dtype}"
        name = f", name={self.name!r}" if self.name else ""
        return f"Tensor({body}{dtype}{name})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else repr(self)

    # ---- picking elements ----
    def __getitem__(self, index: Any) -> Tensor:
        try:
            return GETITEM(self, index=as_index(index))  # type: ignore[no-any-return]
        except IndexError as error:
            if isinstance(error, IndexingError):
                raise
            problem = f"{error} (shape {self._data.shape})"
            raise IndexingError("index", problem, "Check the index against the shape") from None

    # ---- engine hooks ----
    def _state(self, memo: dict[int, Any] | None = None) -> tuple[Any, ...]:
        data = self._data if memo is None else self._data.copy("K")
        return data, self.op, self.params, self.name, self._flags & TRACKED

    @classmethod
    def _restore(cls, state: Iterable[Any], parents: tuple[Any, ...]) -> Tensor:
        t = _new(cls)
        t._data, t.op, t.params, t.name, t._flags = state
        t._grad = None
        t.parents = parents
        t.inputs = tuple([p._data if isinstance(p, Tensor) else p for p in parents])
        t.guard = None
        t.time = tick()
        return t

    def _fit(self, like: Tensor) -> Tensor:
        c = self
        if c._data.shape != like._data.shape:
            c = UNBROADCAST(c, shape=like._data.shape)
        if c._data.dtype != like._data.dtype:
            c = ASTYPE(c, dtype=like._data.dtype)
        return c

    def _keep_zeros(self, g: Tensor) -> Tensor:
        mode = _mode()
        if mode is None or mode.tape is None:
            keep = np.isfinite(self._data)  # what is right already keeps its own derivative
            if keep.all() or np.logical_or(keep, np.not_equal(g._data, 0)).all():
                return self
        return KEEP_ZEROS(self, g)  # type: ignore[no-any-return]

    def _refuse_changed(self) -> None:
        """Raise if what the forward pass used is no longer what the parents hold."""
        staleness.refuse_moved(self)
        places = staleness.read_places(self)
        for i, (parent, saved) in enumerate(zip(self.parents, self.inputs, strict=True), 1):
            if (
                isinstance(parent, Tensor)
                and i in places
                and parent._data is not saved
                and not np.array_equal(
                    parent._data, saved, equal_nan=parent._data.dtype.kind == "f"
                )
            ):
                used = f"was overwritten after {self.op.name} had used it"
                raise DataChangedError(
                    "backward",
                    f"the data of {staleness.title(parent)} {used}",
                    "Run the forward pass again, or overwrite it after backward",
                )

    if TYPE_CHECKING:
        # Set by hooks and by assignment.
        hooks: Any
        register_hook: Any
        previous: Any
        replaced: Any
        at: Any

        # Installed from the table, `functions` and `assignment`; declared for type checkers.
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __pos__(self) -> Tensor: ...
        def __abs__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Tensor: ...
        def __le__(self, other: Any) -> Tensor: ...
        def __gt__(self, other: Any) -> Tensor: ...
        def __ge__(self, other: Any) -> Tensor: ...
        def __eq__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def __ne__(self, other: object) -> Tensor: ...  # type: ignore[override]
        def exp(self) -> Tensor: ...
        def expm1(self) -> Tensor: ...
        def log(self) -> Tensor: ...
        def log1p(self) -> Tensor: ...
        def sqrt(self) -> Tensor: ...
        def square(self) -> Tensor: ...
        def sin(self) -> Tensor: ...
        def cos(self) -> Tensor: ...
        def tan(self) -> Tensor: ...
        def asin(self) -> Tensor: ...
        def acos(self) -> Tensor: ...
        def atan(self) -> Tensor: ...
        def sinh(self) -> Tensor: ...
        def cosh(self) -> Tensor: ...
        def tanh(self) -> Tensor: ...
        def asinh(self) -> Tensor: ...
        def acosh(self) -> Tensor: ...
        def atanh(self) -> Tensor: ...
        def sigmoid(self) -> Tensor: ...
        def softplus(self) -> Tensor: ...
        def relu(self) -> Tensor: ...
        def abs(self) -> Tensor: ...
        def sign(self) -> Tensor: ...
        def maximum(self, other: Any) -> Tensor: ...
        def minimum(self, other: Any) -> Tensor: ...
        def pow(self, other: Any) -> Tensor: ...
        def matmul(self, other: Any) -> Tensor: ...
        def leaky_relu(self, negative_slope: Any = 0.01) -> Tensor: ...
        def clip(self, min: Any = None, max: Any = None) -> Tensor: ...  # noqa: A002 - NumPy's
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def min(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor: ...
        def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor: ...
        def prod(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def all(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def any(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor: ...
        def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def squeeze(self, axis: Any = None) -> Tensor: ...
        def expand_dims(self, axis: Any) -> Tensor: ...
        def broadcast_to(self, shape: Any) -> Tensor: ...
        def astype(self, dtype: DTypeLike) -> Tensor: ...
        def softmax(self, axis: Any = -1) -> Tensor: ...
        def log_softmax(self, axis: Any = -1) -> Tensor: ...
        def logsumexp(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def where(self, condition: Any, other: Any) -> Tensor: ...
        def argsort(self, axis: int | None = -1) -> Tensor: ...
        def choose(self, choices: Any, mode: str = "raise") -> Tensor: ...
        def cumprod(self, axis: int | None = None) -> Tensor: ...
        def cumsum(self, axis: int | None = None) -> Tensor: ...
        def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def dot(self, other: Any) -> Tensor: ...
        def flatten(self, order: str = "C") -> Tensor: ...
        def flip(self, axis: Any = None) -> Tensor: ...
        def nonzero(self) -> tuple[Tensor, ...]: ...
        def ptp(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def ravel(self, order: str = "C") -> Tensor: ...
        def repeat(self, repeats: Any, axis: int | None = None) -> Tensor: ...
        def round(self, decimals: int = 0) -> Tensor: ...
        def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Tensor: ...
        def sort(self, axis: int | None = -1) -> Tensor: ...
        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def take(self, indices: Any, axis: int | None = None, mode: str = "raise") -> Tensor: ...
        def topk(self, k: int, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]: ...
        def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor: ...
        def __mod__(self, other: Any) -> Tensor: ...
        def __rmod__(self, other: Any) -> Tensor: ...
        def __floordiv__(self, other: Any) -> Tensor: ...
        def __rfloordiv__(self, other: Any) -> Tensor: ...
        def __divmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
        def __rdivmod__(self, other: Any) -> tuple[Tensor, Tensor]: ...
        def __round__(self, decimals: int = 0) -> Tensor: ...
        def __and__(self, other: Any) -> Tensor: ...
        def __rand__(self, other: Any) -> Tensor: ...
        def __or__(self, other: Any) -> Tensor: ...
        def __ror__(self, other: Any) -> Tensor: ...
        def __xor__(self, other: Any) -> Tensor: ...
        def __rxor__(self, other: Any) -> Tensor: ...
        def __invert__(self) -> Tensor: ...


tensor = Tensor
"""The same class under PyTorch's spelling."""


# ---- raw data ------------------------------------------------------------------------------------
def _read_only(array: Any) -> NDArray[Any]:
    view: NDArray[Any] = array.view()
    view.flags.writeable = False
    return view


def as_array(data: Any, where: str) -> NDArray[Any]:
    """`data` as an array of real numbers, not copied where it is one; or a DTypeError."""
    if isinstance(data, (list, tuple)) and any(isinstance(x, Node) for x in data):
        raise UnsupportedError(
            where,
            "a list of Values or Tensors would lose their graph here",
            "Use stack([...]) to join Tensors, or [v.data for v in values] to copy numbers",
        )
    if isinstance(data, np.ma.MaskedArray):
        raise DTypeError(where, "masked arrays are not supported", "Fill it first: a.filled(0)")
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ShapeError(where, str(error).rstrip("."), "Make all rows equally long") from None
    kind = array.dtype.kind
    if kind not in "fiub":
        what = "complex numbers" if kind == "c" else f"data of dtype {array.dtype}"
        problem = f"{what} cannot be differentiated here"
        raise DTypeError(where, problem, "Pass real numbers", dtype=array.dtype)
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def as_index(index: Any) -> Any:
    """An index with Tensors and lists replaced by arrays of our own."""
    if isinstance(index, tuple):
        return tuple([as_index(part) for part in index])
    if isinstance(index, (slice, int, type(None), type(Ellipsis))):
        return index
    if isinstance(index, Tensor):
        index = index._data
    if getattr(index, "traced", False):
        return index  # a captured step's own numbers; see `capture.trace.TracedArray`
    array = np.array(index)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype(np.intp)
    if array.dtype.kind not in "iub":
        problem = f"{array.dtype} numbers cannot pick elements"
        raise IndexingError("index", problem, "Use whole numbers, slices or a boolean mask")
    return array.item() if array.ndim == 0 and array.dtype.kind != "b" else array


def _seed(cotangent: Any, like: Any) -> Any:
    """The user's cotangent as an array of the root's shape and dtype; nobody writes to it."""
    if isinstance(cotangent, Tensor):
        array = np.array(cotangent._data, like.dtype)
    else:
        array = np.asarray(as_array(cotangent, "backward"), like.dtype)
    if array.shape != like.shape:
        raise ShapeError(
            "backward",
            f"the cotangent has shape {array.shape}, the root {like.shape}",
            "Pass one number for each element of the root",
            expected=like.shape,
            got=array.shape,
        )
    return array


def _constant(array: Any, name: str | None = None) -> Tensor:
    """An untracked leaf around `array`, which becomes its own."""
    t = _new(Tensor)
    t._data = array
    t._grad = t.op = t.params = t.guard = None
    t.parents = t.inputs = ()
    t.name = name
    t.time = tick()
    t._flags = 0
    return t


unlink_where_needed(Tensor, ("parents",))
