-- What a pipeline declares, for questions and checks; written anew by every run.
CREATE OR REPLACE TABLE _lester.target (view VARCHAR, label VARCHAR);
CREATE OR REPLACE TABLE _lester.reads (relation VARCHAR, input VARCHAR);
CREATE OR REPLACE TABLE _lester.step_reads (name VARCHAR, input VARCHAR);
CREATE OR REPLACE TABLE _lester.leading (source VARCHAR);
CREATE OR REPLACE TABLE _lester.featurizer (
    position INTEGER, featurizer VARCHAR, kinds VARCHAR, inputs VARCHAR[], fit VARCHAR, learns BOOLEAN,
    slotwise BOOLEAN, scaled BOOLEAN
);

-- Each relation with every step it is made from, itself included.
CREATE OR REPLACE VIEW _lester.below AS
WITH RECURSIVE steps(name, step) AS (
    SELECT name, name FROM _lester.relation
    UNION
    SELECT s.name, r.input FROM steps AS s JOIN _lester.step_reads AS r ON r.name = s.step
)
SELECT name, step FROM steps;
