"""How many there are: the census, identity, effort, estimators and the report."""
