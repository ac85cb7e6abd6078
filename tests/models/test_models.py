"""Estimators: the list, building, storing, refusing."""

import io
import warnings
import zipfile

import numpy as np
import pytest
import skops.io
from scipy import sparse
from sklearn.pipeline import Pipeline

from lester_duck import models
from lester_duck.errors import InputError, Unsupported
from lester_duck.pipeline.model import Model

RNG = np.random.RandomState(0)
X = np.abs(RNG.rand(60, 4))
Y = (X[:, 0] > 0.5).astype(int)


def declared(estimator, **params):
    return Model(estimator=estimator, params=tuple(params.items()))


@pytest.mark.parametrize("name", models.estimator_names())
@pytest.mark.filterwarnings("ignore")
def test_every_listed_estimator_is_stored_and_read_back(name):
    model = declared(name, max_iter=3) if "Hist" in name or "MLP" in name else declared(name)
    y = Y + 0.5 if "Regressor" in name else Y
    estimator = models.fit(model, X, y)
    content = models.dump(estimator)
    again = models.load(content, name)
    if hasattr(estimator, "predict"):
        np.testing.assert_array_equal(models.predict(again, X), models.predict(estimator, X))


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("sklearn.neural_network.MLPClassifier", {"solver": "sgd", "hidden_layer_sizes": (5, 3), "max_iter": 3}),
        ("sklearn.neighbors.KNeighborsClassifier", {"algorithm": "ball_tree"}),
        ("sklearn.neighbors.KNeighborsClassifier", {"metric": "manhattan"}),
        ("sklearn.neighbors.KNeighborsClassifier", {"metric": "chebyshev"}),
        ("sklearn.neighbors.KNeighborsClassifier", {"p": 3}),
        ("sklearn.linear_model.TweedieRegressor", {"power": 1.5}),
        ("sklearn.calibration.CalibratedClassifierCV", {"method": "isotonic"}),
        ("sklearn.linear_model.SGDClassifier", {"loss": "log_loss"}),
        ("sklearn.ensemble.GradientBoostingRegressor", {"loss": "huber", "n_estimators": 3}),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_variants_are_stored_too(name, params):
    estimator = models.fit(declared(name, **params), X, Y + 1 if "Tweedie" in name else Y)
    models.load(models.dump(estimator), name)


def test_refits_are_deterministic():
    model = declared("sklearn.neural_network.MLPClassifier", hidden_layer_sizes=(8,), max_iter=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one, two = (models.fit(model, X, Y) for _ in range(2))
    np.testing.assert_array_equal(models.probabilities(one, X), models.probabilities(two, X))
    assert one.hidden_layer_sizes == (8,)
    assert 0 <= models.score(one, X, Y) <= 1


def test_sparse_matrices():
    estimator = models.fit(declared("sklearn.linear_model.LogisticRegression"), sparse.csr_matrix(X), Y)
    assert models.predict(estimator, sparse.csr_matrix(X)).shape == (60,)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("sklearn.linear_model.LogisticRegresion", "sklearn.linear_model.LogisticRegression"),
        ("xgboost.XGBClassifier", "Classifier"),
        ("os.system", "name a scikit-learn"),
        ("sklearn.utils._testing.MLPClassifier", "sklearn.neural_network.MLPClassifier"),
        ("sklearn.neural_network.evil.MLPClassifier", "sklearn.neural_network.MLPClassifier"),
        ("MLPClassifier", "sklearn.neural_network.MLPClassifier"),
    ],
)
def test_others_are_refused_by_name(name, hint):
    with pytest.raises(Unsupported, match="is not on the list") as refused:
        models.construct(declared(name))
    assert hint in str(refused.value)


def test_parameters_are_checked():
    with pytest.raises(InputError, match=r"no parameter of Ridge 'alhpa'.*did you mean 'alpha'"):
        models.construct(declared("sklearn.linear_model.Ridge", alhpa=1))
    with pytest.raises(InputError, match=r"Ridge cannot be fitted: The 'alpha' parameter"):
        models.fit(declared("sklearn.linear_model.Ridge", alpha=-1.0), X, Y)
    with pytest.raises(InputError, match=r"NaN.*add an impute step"):
        models.fit(declared("sklearn.linear_model.Ridge"), np.where(X > 0.9, np.nan, X), Y)


def _zip(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("other.txt", text)
    return file.getvalue()


@pytest.mark.parametrize("content", [b"", b"not a model", _zip(b"x")])
def test_other_bytes_are_no_model(content):
    with pytest.raises(InputError, match="not a stored model"):
        models.load(content)


def test_types_off_the_list_are_refused():
    with pytest.raises(Unsupported, match=r"not on the reviewed list: .*test_models.*Own"):
        models.load(skops.io.dumps(Pipeline([("own", Own())])))
    ridge = models.dump(models.fit(declared("sklearn.linear_model.Ridge"), X, Y))
    with pytest.raises(InputError, match=r"is a Ridge, not a sklearn\.linear_model\.Lasso"):
        models.load(ridge, "sklearn.linear_model.Lasso")


class Own:
    """A type nobody reviewed."""
