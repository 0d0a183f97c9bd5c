"""Trains an elastic net on the wine data of scikit-learn, and logs the model; registered where it has a name."""

import argparse
import json

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_wine
from sklearn.linear_model import ElasticNet
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--experiment", default="wine-model")
parser.add_argument("--alpha", type=float, default=0.1)
parser.add_argument("--l1-ratio", type=float, default=0.5)
parser.add_argument("--model", default="")
arguments = parser.parse_args()

values, target = load_wine(return_X_y=True)
train, test, train_target, test_target = train_test_split(values, target, random_state=1)
mlflow.set_experiment(arguments.experiment)
with mlflow.start_run() as run:
    model = ElasticNet(alpha=arguments.alpha, l1_ratio=arguments.l1_ratio, random_state=1).fit(train, train_target)
    predicted = model.predict(test)
    metrics = {"mae": mean_absolute_error(test_target, predicted), "r2": r2_score(test_target, predicted)}
    mlflow.log_params({"alpha": arguments.alpha, "l1_ratio": arguments.l1_ratio})
    mlflow.log_metrics(metrics)
    logged = mlflow.sklearn.log_model(
        model, name="model", registered_model_name=arguments.model or None, input_example=test[:2]
    )
loaded = mlflow.sklearn.load_model(logged.model_uri)
if list(loaded.predict(test)) != list(predicted):
    raise SystemExit("The model came back changed.")
print(json.dumps({"run_id": run.info.run_id, "model_uri": logged.model_uri, **metrics}))
