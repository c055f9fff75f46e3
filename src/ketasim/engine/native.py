"""LLVM IR to machine code of this processor, by way of the disk cache."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ketasim.engine.cache import KernelCache

__all__ = ["Library", "Processor", "load_library"]


#: How code is compiled; part of the cache's key, so to be changed with what :func:`_compiled` does.
_OPTIONS = "codegen 3, passes 2, no loop or vector passes"


@dataclass(frozen=True)
class Processor:
    """What code is made for.

    Parameters
    ----------
    name, features, triple : str
        As LLVM calls them.
    """

    name: str
    features: str
    triple: str

    @classmethod
    @functools.cache
    def host(cls) -> Processor:
        """The processor that this runs on."""
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return cls(
            llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), llvm.get_process_triple()
        )

    @property
    def lanes(self) -> int:
        """Patients side by side that suit its registers."""
        features = self.features.split(",")
        if "+avx512f" in features:
            return 8
        return 4 if "+avx2" in features else 2

    def machine(self) -> Any:
        """Return LLVM's code generator."""
        target = llvm.Target.from_triple(self.triple)
        return target.create_target_machine(cpu=self.name, features=self.features, opt=3, jit=True)


@dataclass(frozen=True)
class Library:
    """Machine code in memory.

    Parameters
    ----------
    addresses : dict of str to int
        Where its functions are.
    """

    addresses: dict[str, int]
    _engine: Any  # keeps the code alive


def load_library(
    write: Callable[[], str], names: tuple[str, ...], cache: KernelCache, note: str | None = None
) -> Library:
    """Return the compiled form of LLVM IR, from the cache if it is there.

    Parameters
    ----------
    write : function
        Writes LLVM IR. An entry's key follows from all of it, from the compiler's version and from the
        processor, so that no change of a model or of what writes kernels can meet old code.
    names : tuple of str
        Functions wanted.
    cache : KernelCache
        Where compiled code is kept.
    note : str, optional
        Key of a note in which entry the code is, where one of everything that the text follows from is
        known: neither the text nor what it is written from is made if the note and the code are there.
    """
    processor = Processor.host()
    text = functools.cache(write)

    def key() -> str:
        return cache.make_key(text(), _OPTIONS, llvmlite.__version__, *_version(), *vars(processor).values())

    found = key() if note is None else cache.get_or_make(note, lambda: key().encode()).decode()
    code = cache.get_or_make(found, lambda: _compiled(text(), processor))
    engine = llvm.create_mcjit_compiler(_parsed("", processor), processor.machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Library({name: engine.get_function_address(name) for name in names}, engine)


def _version() -> tuple[str, ...]:
    return (".".join(map(str, llvm.llvm_version_info)),)


def _parsed(text: str, processor: Processor) -> Any:
    module = llvm.parse_assembly(text)
    module.triple = processor.triple
    module.verify()
    return module


def _compiled(text: str, processor: Processor) -> bytes:
    machine = processor.machine()
    module = _parsed(text, processor)
    module.data_layout = str(machine.target_data)
    # The code is straight lines: there are no loops to unroll, and vectors are made already.
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_unrolling = False
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(module, passes)
    code: bytes = machine.emit_object(module)
    return code
