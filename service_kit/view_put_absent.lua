-- Notes for a while that there is no such view, unless the cache holds one. A view put later replaces the note.
-- KEYS[1] the view's key; ARGV: how long the note lasts, in ms.
local held = redis.pcall('HGET', KEYS[1], 'view')
if type(held) == 'string' then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'absent', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1
