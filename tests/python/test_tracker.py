"""What Tracker records, and with which stacks, against programs that know what they allocate."""
import mmap
import sys

import pytest

import memray
from memray import AllocatorType, FileReader, Tracker
from memray._test import (
    MemoryAllocator,
    MmapAllocator,
    PymallocDomain,
    PymallocMemoryAllocator,
    _cython_allocate_in_two_places,
    _cython_nested_allocation,
    fill_cpp_vector,
    function_caller,
)
from tracking import of_size, records, line_of

HERE = __file__
PAGE = mmap.PAGESIZE
ALLOCATE = ["malloc", "calloc", "realloc", "valloc", "pvalloc", "posix_memalign", "aligned_alloc", "memalign"]


# ------------------------------------------------------------------------------------------------ what is recorded


@pytest.mark.parametrize("options", [{}, {"trace_python_allocators": True}, {"native_traces": True}])
def test_an_empty_block_records_nothing(output, options):
    with Tracker(output, **options):
        pass
    assert records(output) == []


@pytest.mark.parametrize("kind", ALLOCATE)
def test_each_allocator_and_its_free(output, kind):
    allocator = MemoryAllocator()
    with Tracker(output):
        assert getattr(allocator, kind)(1234)
        allocator.free()
    made = of_size(output, 1234)
    assert [(AllocatorType(r.allocator).name, r.n_allocations) for r in made] == [(kind.upper(), 1)]
    freed = [r for r in records(output) if r.address == made[0].address and r.allocator == AllocatorType.FREE]
    assert len(freed) == 1
    assert made[0].stack_trace()[0][:2] == (kind, memray._test.__file__)


def test_realloc_is_a_free_and_an_allocation(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        allocator.realloc(54321)
    kinds = [(AllocatorType(r.allocator).name, r.size) for r in records(output)]
    assert kinds == [("MALLOC", 1), ("FREE", 0), ("REALLOC", 54321)]


def test_exact_counts(output):
    allocators = [MemoryAllocator() for _ in range(1000)]
    with Tracker(output):
        for allocator in allocators:
            allocator.valloc(4321)
    found = of_size(output, 4321)
    assert len(found) == 1000 and len({r.stack_id for r in found}) == 1
    for allocator in allocators:
        allocator.free()


def test_memory_from_before_is_freed_inside(output):
    allocator = MemoryAllocator()
    allocator.valloc(1234)
    with Tracker(output):
        allocator.free()
    assert [AllocatorType(r.allocator).name for r in records(output)] == ["FREE"]


def test_mapping_with_a_hole(output):
    with Tracker(output):
        mapping = MmapAllocator(8 * PAGE)
        mapping.munmap(2 * PAGE, 3 * PAGE)
    try:
        with FileReader(output) as reader:
            leaks = list(reader.get_leaked_allocation_records())
            assert [(r.size, r.n_allocations) for r in leaks if r.allocator == AllocatorType.MMAP] == [(6 * PAGE, 2)]
            holes = [r for r in reader.get_allocation_records() if r.allocator == AllocatorType.MUNMAP]
            assert [(r.address, r.size) for r in holes] == [(mapping.address + 3 * PAGE, 2 * PAGE)]
    finally:
        mapping.munmap(8 * PAGE)


@pytest.mark.parametrize("domain", list(PymallocDomain))
@pytest.mark.parametrize("kind", ["malloc", "calloc", "realloc"])
def test_pymalloc_domains(output, domain, kind):
    allocator = PymallocMemoryAllocator(domain)
    with Tracker(output, trace_python_allocators=True):
        getattr(allocator, kind)(333)
        allocator.free()
    made = of_size(output, 333)
    assert [AllocatorType(r.allocator).name for r in made] == [f"PYMALLOC_{kind.upper()}"]
    freed = [r for r in records(output) if r.address == made[0].address and r.allocator == AllocatorType.PYMALLOC_FREE]
    assert len(freed) == 1 and freed[0].stack_trace() == []


def test_python_allocators_are_not_recorded_unless_asked_for(output):
    allocator = PymallocMemoryAllocator(PymallocDomain.PYMALLOC_OBJECT)
    with Tracker(output):
        allocator.malloc(333)
        allocator.free()
    assert of_size(output, 333) == []


# ------------------------------------------------------------------------------------------------------- stacks


def test_stacks_end_at_the_frame_that_entered(output):
    allocator = MemoryAllocator()

    def inner():
        allocator.valloc(1234)  # inner valloc

    def outer():
        inner()  # outer call

    with Tracker(output):
        outer()  # test call
    (record,) = of_size(output, 1234)
    assert record.stack_trace() == [
        ("valloc", memray._test.__file__, 50),
        ("inner", HERE, line_of(HERE, "# inner valloc")),
        ("outer", HERE, line_of(HERE, "# outer call")),
        ("test_stacks_end_at_the_frame_that_entered", HERE, line_of(HERE, "# test call")),
    ]
    assert record.stack_trace(max_stacks=2) == record.stack_trace()[:2]
    assert record.hybrid_stack_trace() == record.stack_trace()


def test_a_helper_that_enters_and_returns_cuts_nothing_wrongly(output):
    allocator = MemoryAllocator()
    tracker = Tracker(output)

    def enter():
        tracker.__enter__()

    def allocate():
        allocator.valloc(1234)

    enter()
    allocate()
    tracker.__exit__(None, None, None)
    (record,) = of_size(output, 1234)
    functions = [frame[0] for frame in record.stack_trace()]
    assert functions[:3] == ["valloc", "allocate", "test_a_helper_that_enters_and_returns_cuts_nothing_wrongly"]


def test_lines_of_all_frames_are_those_of_the_moment(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        allocator.valloc(1111)  # first
        allocator.valloc(2222)  # second
    lines = {r.size: r.stack_trace()[1][2] for r in of_size(output, 1111, 2222)}
    assert lines == {1111: line_of(HERE, "# first"), 2222: line_of(HERE, "# second")}


def test_stacks_survive_setprofile(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        sys.setprofile(lambda *_: None)
        try:
            allocator.valloc(1234)
        finally:
            sys.setprofile(None)
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()] == ["valloc", "test_stacks_survive_setprofile"]


def test_deep_recursion(output):
    allocator = MemoryAllocator()

    def recurse(depth):
        if depth:
            return recurse(depth - 1)
        allocator.valloc(1234)

    with Tracker(output):
        recurse(500)
    (record,) = of_size(output, 1234)
    assert [frame[0] for frame in record.stack_trace()].count("recurse") == 501


def test_functions_without_a_frame_are_not_on_python_stacks(output):
    allocator = MemoryAllocator()
    with Tracker(output):
        _cython_nested_allocation(allocator.valloc, 1234)
        allocator.free()
    assert [[frame[0] for frame in r.stack_trace()] for r in of_size(output, 1234)] == [
        ["valloc", "test_functions_without_a_frame_are_not_on_python_stacks"],
        ["test_functions_without_a_frame_are_not_on_python_stacks"],
    ]


def test_native_stacks(output):
    with Tracker(output, native_traces=True):
        _cython_allocate_in_two_places(1234)
        function_caller(lambda: fill_cpp_vector(2048))
    with FileReader(output) as reader:
        assert reader.metadata.has_native_traces
        made = list(reader.get_allocation_records())
        two = [r for r in made if r.size == 1234]
        assert two[0].stack_trace() == two[1].stack_trace()
        natives = [[frame[0] for frame in r.native_stack_trace()] for r in two]
        assert natives[0] != natives[1]
        assert all(any("allocate_in_two_places" in name for name in stack) for stack in natives)
        vector = next(r for r in made if r.size == 2048)
        functions = [frame[0] for frame in vector.hybrid_stack_trace()]
        python = [name for name in functions if name in ("<lambda>", "test_native_stacks")]
        assert python == ["<lambda>", "test_native_stacks"] and functions[-1] == "test_native_stacks"
        between = functions[functions.index("<lambda>") : functions.index("test_native_stacks")]
        assert any("function_caller" in name for name in between)
