-- Puts views, each unless the cache holds one with a newer version, or with the same versions of a newer generation.
-- KEYS the views' keys; ARGV for each of them: generation, version, source version, time to live in ms, the view's
-- bytes, the time at which the projection wrote it. Answers how many were put.
-- A view depends on two aggregates, so each entry keeps both versions and neither may ever go back, whichever
-- generation readers were moved to, and back to.
-- What cannot be read as an entry (another type, missing fields, no whole numbers) is replaced.
local function whole(text)
  return text and string.match(text, '^%d+$') and tonumber(text)
end

local function is_kept(key, new_generation, new_version, new_source_version)
  local held = redis.pcall('HMGET', key, 'generation', 'version', 'source_version', 'project_time_us')
  local generation, version, source_version = whole(held[1]), whole(held[2]), whole(held[3])
  if not (generation and version and source_version and whole(held[4])) then
    return false
  end
  if redis.call('HEXISTS', key, 'view') == 0 then
    return false
  end
  if version > new_version or source_version > new_source_version then
    return true
  end
  return version == new_version and source_version == new_source_version and generation > new_generation
end

local put = 0
for index, key in ipairs(KEYS) do
  local first = (index - 1) * 6
  local generation, version, source_version = ARGV[first + 1], ARGV[first + 2], ARGV[first + 3]
  if not is_kept(key, tonumber(generation), tonumber(version), tonumber(source_version)) then
    redis.call('DEL', key)
    redis.call('HSET', key, 'generation', generation, 'version', version, 'source_version', source_version,
      'view', ARGV[first + 5], 'project_time_us', ARGV[first + 6])
    redis.call('PEXPIRE', key, ARGV[first + 4])
    put = put + 1
  end
end
return put
