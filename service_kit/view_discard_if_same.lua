-- Deletes a view, if the cache still holds that very one.
-- KEYS[1] the view's key; ARGV: generation, version, source version, the view's bytes.
local held = redis.pcall('HMGET', KEYS[1], 'generation', 'version', 'source_version', 'view')
for index = 1, 4 do
  if held[index] ~= ARGV[index] then
    return 0
  end
end
return redis.call('DEL', KEYS[1])
