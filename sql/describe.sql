-- What a pipeline declares, for questions and checks; written anew by every run.
CREATE OR REPLACE TABLE _lester.target (view VARCHAR, label VARCHAR);
CREATE OR REPLACE TABLE _lester.reads (relation VARCHAR, input VARCHAR);
CREATE OR REPLACE TABLE _lester.below (name VARCHAR, step VARCHAR);
CREATE OR REPLACE TABLE _lester.leading (source VARCHAR);
CREATE OR REPLACE TABLE _lester.featurizer (
    position INTEGER, featurizer VARCHAR, kinds VARCHAR, inputs VARCHAR[], fit VARCHAR, learns BOOLEAN,
    slotwise BOOLEAN, scaled BOOLEAN
);
