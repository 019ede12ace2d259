import numpy as np

from kerasseg.lite import latency

ORDER = []


class _Counter:
    size, threads = (4, 4), 1

    def set_image(self, image):
        self.image = image

    def invoke(self):
        ORDER.append(self)


def test_files_take_turns_and_the_method_is_told():
    first, second = _Counter(), _Counter()
    second.size = (6, 8)
    image = np.full((1, 4, 4, 3), 9)
    results = latency.measure([first, second], image, runs=50, warmup=3)
    assert [first, second] * 53 == ORDER
    assert (first.image == 9).all()
    assert second.image.shape == (1, 6, 8, 3)  # the picture does not fit, a grey one does
    for result in results:
        assert 0 < result.median_ms <= result.p90_ms <= result.p95_ms
        assert result.to_json()["runs"] == 50
        assert result.interleaved == 2
