-- Puts a view unless the cache holds one of a newer generation, or of the same generation with a newer version.
-- KEYS[1] the view's key; ARGV: generation, version, source version, time to live in ms, the view's bytes,
-- the time at which the projection wrote it.
-- A view depends on two aggregates, so each entry keeps both versions and neither may ever go back.
-- What cannot be read as an entry (another type, missing fields) is replaced.
local held = redis.pcall('HMGET', KEYS[1], 'generation', 'version', 'source_version')
local generation = tonumber(held[1])
local version = tonumber(held[2]) or 0
local source_version = tonumber(held[3]) or 0
if generation and generation > tonumber(ARGV[1]) then
  return 0
end
if generation == tonumber(ARGV[1])
    and (version > tonumber(ARGV[2]) or source_version > tonumber(ARGV[3])) then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'version', ARGV[2], 'source_version', ARGV[3],
  'view', ARGV[5], 'project_time_us', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
