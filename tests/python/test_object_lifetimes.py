"""Which Python objects were made and destroyed while a Tracker recorded. Needs an interpreter with a reference tracer."""
import gc
import os
import sys

import pytest

from memray import FileDestination, FileFormat, FileReader, SocketDestination, Tracker

traced = pytest.mark.skipif(sys.version_info < (3, 13, 3), reason="CPython 3.13.3 and later tell of objects")


class Thing:
    pass


def make_things(count):
    return [Thing() for _ in range(count)]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "capture.bin"


def lifetimes(output, **arguments):
    return Tracker(output, track_object_lifetimes=True, **arguments)


@pytest.mark.skipif(sys.version_info >= (3, 13, 3), reason="this interpreter has a tracer")
def test_interpreters_without_a_tracer_are_refused(output):
    own = ".".join(map(str, sys.version_info[:3]))
    with pytest.raises(RuntimeError, match=rf"requires Python 3\.13\.3 or later\. Current version: {own}"):
        lifetimes(output)
    assert not output.exists()


def test_survivors_have_to_be_asked_for(output):
    with Tracker(output) as tracker:
        pass
    with pytest.raises(RuntimeError, match="track_object_lifetimes=True was not provided"):
        tracker.get_surviving_objects()


@traced
def test_survivors_are_the_objects_that_are_left(output):
    with lifetimes(output) as tracker:
        kept = make_things(5)
        lost = make_things(7)
        del lost
        with pytest.raises(RuntimeError, match="completed"):
            tracker.get_surviving_objects()
    survivors = tracker.get_surviving_objects()
    assert isinstance(survivors, tuple)
    things = [each for each in survivors if type(each) is Thing]
    assert [id(each) for each in things] == [id(each) for each in kept]
    assert any(each is kept for each in survivors)


@traced
def test_the_tracker_keeps_survivors_alive(output):
    with lifetimes(output) as tracker:
        kept = make_things(3)
    del kept
    gc.collect()
    assert sum(type(each) is Thing for each in tracker.get_surviving_objects()) == 3


@traced
def test_an_empty_block_makes_no_objects(output):
    with lifetimes(output) as tracker:
        pass
    assert tracker.get_surviving_objects() == ()
    assert list(FileReader(output).get_object_lifetime_events()) == []


@traced
def test_events_tell_of_births_and_deaths(output):
    with lifetimes(output):
        thing = Thing()
        address = id(thing)
        del thing
    events = [event for event in FileReader(output).get_object_lifetime_events() if event.address == address]
    assert [event.is_created for event in events][:2] == [True, False]
    birth, death = events[:2]
    assert birth.tid == death.tid and birth != death
    function, file, line = birth.stack_trace(max_stacks=1)[0]
    assert (function, file) == ("test_events_tell_of_births_and_deaths", __file__)
    assert line == test_events_tell_of_births_and_deaths.__code__.co_firstlineno + 3
    with pytest.raises(NotImplementedError, match="aren't captured"):
        death.stack_trace()


@traced
def test_events_of_given_objects(output):
    with lifetimes(output):
        make_things(50)  # destroyed at once: the addresses are used again
        kept = make_things(50)
    earlier = Thing()
    events = list(FileReader(output).get_object_lifetime_events(included_objects=[*kept, earlier]))
    assert [event.address for event in events] == [id(thing) for thing in kept]
    assert all(event.is_created for event in events)
    assert {event.stack_trace()[-1][0] for event in events} == {"test_events_of_given_objects"}


@traced
def test_a_child_that_is_followed_has_survivors_of_its_own(output):
    with lifetimes(output, follow_fork=True) as tracker:
        mine = make_things(2)
        child = os.fork()
        if child == 0:
            try:
                theirs = make_things(3)
                tracker.__exit__(None, None, None)
                found = [each for each in tracker.get_surviving_objects() if type(each) is Thing]
                os._exit(0 if list(map(id, found)) == list(map(id, theirs)) else 1)
            except BaseException:
                os._exit(2)
        assert os.waitpid(child, 0)[1] == 0
    assert [each for each in tracker.get_surviving_objects() if type(each) is Thing] == mine


@traced
@pytest.mark.parametrize(
    "arguments",
    [
        {"destination": SocketDestination(server_port=1)},
        {"sink": "null"},
        {"destination": FileDestination("unused.bin"), "file_format": FileFormat.AGGREGATED_ALLOCATIONS},
    ],
)
def test_outputs_that_cannot_have_lifetimes(arguments):
    with pytest.raises(RuntimeError, match="track_object_lifetimes"):
        Tracker(track_object_lifetimes=True, **arguments)
