#!/usr/bin/env python3
"""Makes events.golden, a small event file, with TensorBoard's own messages and record writer.

Needs: pip install tensorboard (2.21.0 made the file that is kept here).
usage: make_events.py events.golden
"""
import sys

from tensorboard.compat.proto import event_pb2, histogram_pb2, summary_pb2
from tensorboard.summary.writer import record_writer

events = [event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2")]

scalars = event_pb2.Event(wall_time=1700000001.5, step=8000)
scalars.summary.value.add(tag="rollout/ep_rew_mean", simple_value=12.75)
scalars.summary.value.add(tag="train/critic_loss", simple_value=0.0)
scalars.summary.value.add(tag="train/actor_loss", simple_value=-1e-8)
events.append(scalars)

values = [-1.0, -0.5, 0.25, 0.5, 3.0]
limits = [-1.0 + (i + 1) * (4.0 / 64) for i in range(63)] + [3.0]
buckets = [0.0] * 64
for value in values:
    buckets[min(63, int((value + 1.0) / (4.0 / 64)))] += 1
histogram = event_pb2.Event(wall_time=1700000002.0, step=1 << 40)
histogram.summary.value.add(
    tag="weights/curl.W",
    histo=histogram_pb2.HistogramProto(
        min=-1.0, max=3.0, num=5, sum=2.25, sum_squares=sum(v * v for v in values),
        bucket_limit=limits, bucket=buckets))
events.append(histogram)

single = event_pb2.Event(wall_time=1700000003.0, step=0)
single.summary.value.add(
    tag="weights/bias",
    histo=histogram_pb2.HistogramProto(min=0.5, max=0.5, num=2, sum=1.0, sum_squares=0.5,
                                       bucket_limit=[0.5], bucket=[2.0]))
events.append(single)

with open(sys.argv[1], "wb") as file:
    writer = record_writer.RecordWriter(file)
    for event in events:
        writer.write(event.SerializeToString())
    writer.flush()
