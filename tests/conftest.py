"""What several tests share: the real CIFAR-10, loaded once."""

import pytest

from helpers.data import find_data, load_data


@pytest.fixture(scope="session")
def data_folder():
    """Return the folder of the verified cache; no test may write there."""
    return find_data()


@pytest.fixture(scope="session")
def data(data_folder):
    return load_data(data_folder)
