import numpy as np

from kerasseg.lite import latency


class _Counter:
    def __init__(self):
        self.images, self.runs = 0, 0

    def set_image(self, image):
        self.images += 1

    def invoke(self):
        self.runs += 1


def test_runs_warm_up_and_method_are_told():
    model = _Counter()
    result = latency.measure(model, np.zeros((1, 4, 4, 3)), runs=50, warmup=3, threads=1)
    assert model.runs == 53
    assert model.images == 1
    assert 0 < result.median_ms <= result.p90_ms
    assert result.to_json()["runs"] == 50
