-- How a trial went, straight from the parts of a run folder: responders by arm and sex at each visit.
-- Run it in the folder that holds the run, with the folder named RUN, or put the folder's path in its place:
--     sed 's|RUN/|runs/murrough2013-seed1/|' examples/duckdb_query.sql | duckdb
-- DuckDB reads a part at a time and only the columns that are named here, so a million patients take little memory.
WITH scored AS (
    SELECT replicate, subject, arm, time_h, value
    FROM read_parquet('RUN/outcomes/part-*.parquet')
    WHERE quantity = 'madrs' AND statistic = 'score'
),
entry AS (
    SELECT replicate, subject, value AS at_entry FROM scored WHERE time_h = 0
)
SELECT
    scored.arm,
    CASE WHEN patients.female > 0.5 THEN 'female' ELSE 'male' END AS sex,
    round(scored.time_h / 24, 2) AS day,
    count(*) AS patients,
    count(scored.value) AS rated,
    avg(scored.value - entry.at_entry) AS mean_change,
    stddev_samp(scored.value - entry.at_entry) AS sd_change,
    -- A score that is missing is no response, as the commonest rule of trials has it.
    avg(CASE WHEN scored.value <= 0.5 * entry.at_entry THEN 1 ELSE 0 END) AS responders
FROM scored
JOIN entry USING (replicate, subject)
JOIN read_parquet('RUN/patients/part-*.parquet', union_by_name = true) AS patients USING (replicate, subject)
WHERE scored.time_h > 0
GROUP BY ALL
ORDER BY scored.arm, sex, day;
