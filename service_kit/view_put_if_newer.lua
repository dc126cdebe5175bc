-- Puts a view unless the cache holds one with a newer version, or with the same versions of a newer generation.
-- KEYS[1] the view's key; ARGV: generation, version, source version, time to live in ms, the view's bytes,
-- the time at which the projection wrote it.
-- A view depends on two aggregates, so each entry keeps both versions and neither may ever go back, whichever
-- generation readers were moved to, and back to.
-- What cannot be read as an entry (another type, missing fields, no whole numbers) is replaced.
local function whole(text)
  return text and string.match(text, '^%d+$') and tonumber(text)
end

local held = redis.pcall('HMGET', KEYS[1], 'generation', 'version', 'source_version', 'project_time_us')
local generation, version, source_version = whole(held[1]), whole(held[2]), whole(held[3])
if generation and version and source_version and whole(held[4]) and redis.call('HEXISTS', KEYS[1], 'view') == 1 then
  if version > tonumber(ARGV[2]) or source_version > tonumber(ARGV[3]) then
    return 0
  end
  if version == tonumber(ARGV[2]) and source_version == tonumber(ARGV[3]) and generation > tonumber(ARGV[1]) then
    return 0
  end
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'generation', ARGV[1], 'version', ARGV[2], 'source_version', ARGV[3],
  'view', ARGV[5], 'project_time_us', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
