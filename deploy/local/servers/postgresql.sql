-- Roles and database of the write side; run again at each start. Passwords come from the environment.
\set ON_ERROR_STOP on
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD

SELECT 'CREATE ROLE orderflow_owner' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderflow_owner') \gexec
SELECT 'CREATE ROLE orderflow_app' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orderflow_app') \gexec
ALTER ROLE orderflow_owner LOGIN CREATEROLE CREATEDB PASSWORD :'owner_password';
ALTER ROLE orderflow_app LOGIN PASSWORD :'app_password';
SELECT 'CREATE DATABASE orderflow OWNER orderflow_owner' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'orderflow') \gexec
