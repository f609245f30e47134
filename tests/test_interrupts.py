"""Interrupts by the hundred, at any moment of a training: nothing is lost, and no later training waits for ever."""

import subprocess
import sys

import pytest

STORM = """
import os, random, signal, sys, threading, time, traceback
import numpy as np
from helpers import load_data, train
from helpers.softmax import tf

count, dice = int(sys.argv[1]), random.Random(0)
data = load_data()
images, labels = data.images_train[:600], data.labels_train[:600]
mean = images.mean(axis=0)
settings = dict(steps=200, batch_size=5, validation=np.arange(5), validate_every=20, mean=mean, progress=False)
sys.stdout = open(os.devnull, "w")
train(images, labels, **settings)  # builds what the next one finds ready
begun = time.perf_counter()
whole = train(images, labels, **settings)
length = time.perf_counter() - begun
stopped, sent, (wishes, wish) = 0, 0, os.pipe()  # locks of Python's own do not survive interrupts either


def send():
    global sent
    while os.read(wishes, 1):
        time.sleep(dice.uniform(0, length))
        os.kill(os.getpid(), signal.SIGINT)
        sent += 1


threading.Thread(target=send, daemon=True).start()
for number in range(1, count + 1):
    run = None
    try:
        os.write(wish, b"1")
        run = train(images, labels, **settings)
        while sent < number:
            time.sleep(0.001)
        time.sleep(0.001)
    except KeyboardInterrupt as error:  # it came while arguments were checked, or around the training: not in its midst
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        for frame, below in zip(frames, [*frames[1:], None], strict=True):
            if frame.f_code is train.__code__ and "interrupt" in frame.f_locals:
                assert below is None or "contextlib" in below.f_code.co_filename, "a run is lost"
        while sent < number:
            time.sleep(0.001)
    if run is not None:
        assert np.array_equal(run.loss, whole.loss[: run.step]), run.step
        assert run.validation_step.tolist() == list(range(20, run.step + 1, 20)), run.validation_step
    stopped += run is not None and run.step < 200
    if number % 20 == 0:  # another thread, such as the playground's, can still train
        later = threading.Thread(target=train, args=(images, labels), kwargs=settings, daemon=True)
        later.start()
        later.join(60)
        assert not later.is_alive(), "a lock was left closed"
assert stopped > count / 20, stopped
os._exit(0)
"""


@pytest.mark.slow
def test_an_interrupt_at_any_moment_leaves_a_whole_run():
    command = [sys.executable, "-X", "faulthandler", "-c", STORM, "300"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1_500)
    assert ran.returncode == 0, ran.stderr[-3_000:]
