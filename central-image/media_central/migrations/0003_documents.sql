-- Further resources, kept like streams and streamers: as they were declared, with a copy in the
-- memory of every Central. `layout` is always null.
CREATE TABLE load_balancers (LIKE streams INCLUDING ALL);
CREATE TABLE auth_backends (LIKE streams INCLUDING ALL);
CREATE TABLE api_tokens (LIKE streams INCLUDING ALL);

CREATE TRIGGER load_balancers_notify AFTER INSERT OR UPDATE OR DELETE ON load_balancers
    FOR EACH ROW EXECUTE FUNCTION notify_resource();
CREATE TRIGGER auth_backends_notify AFTER INSERT OR UPDATE OR DELETE ON auth_backends
    FOR EACH ROW EXECUTE FUNCTION notify_resource();
CREATE TRIGGER api_tokens_notify AFTER INSERT OR UPDATE OR DELETE ON api_tokens
    FOR EACH ROW EXECUTE FUNCTION notify_resource();
