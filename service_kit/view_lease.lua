-- Gives the right to read a view that is not cached to one asker at a time: 0 somebody else has it, 1 the asker has it,
-- 2 there is something, so that nobody needs it.
-- KEYS[1] the view's key; ARGV: how long the right lasts at most, in ms. Whatever is put there meanwhile ends it.
local held = redis.pcall('HMGET', KEYS[1], 'leased', 'view', 'absent')
if held.err or held[2] or held[3] then
  return 2
end
if held[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'leased', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
