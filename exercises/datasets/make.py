#!/usr/bin/env python3
"""Makes sensores.csv: one day of readings of three sensors every ten minutes, invented and always the same: temperature
with the course of a day, humidity against it, a few readings missing and one sensor with a fault in the afternoon."""
import csv
import datetime
import math
import pathlib
import random

source = random.Random(8888)
places = {"s1": ("terraza", 17.0, 7.0), "s2": ("aula", 21.0, 2.0), "s3": ("sótano", 14.0, 0.5)}
start = datetime.datetime(2026, 3, 2)
with open(pathlib.Path(__file__).with_name("sensores.csv"), "w", newline="") as file:
    out = csv.writer(file, lineterminator="\n")
    out.writerow(["timestamp", "sensor", "lugar", "temperatura", "humedad"])
    for step in range(24 * 6):
        moment = start + datetime.timedelta(minutes=10 * step)
        day = math.sin((step / 144 - 0.375) * 2 * math.pi)
        for sensor, (place, mean, swing) in places.items():
            temperature = mean + swing * day + source.gauss(0, 0.2)
            humidity = 55 - 1.5 * (temperature - mean) + source.gauss(0, 1)
            if sensor == "s2" and 96 <= step < 99:
                temperature = 85.0
            if source.random() < 0.01:
                continue
            out.writerow([moment.isoformat(), sensor, place, f"{temperature:.1f}", f"{humidity:.0f}"])
