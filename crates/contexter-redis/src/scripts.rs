//! What must happen at the server in one step, as Lua.
//!
//! Scripts are sent whole each time: they are short, there is a fixed number of them, and so a
//! server that was restarted or flushed needs no second round trip. All of them take the time from
//! the server, because the clocks of consumers differ.

use redis::Cmd;

/// The time of the server in milliseconds.
macro_rules! script {
    ($body:literal) => {
        concat!(
            "local t=redis.call('TIME') \
             local now=t[1]*1000+math.floor(t[2]/1000) \
             local function whole(n) return string.format('%.0f',n) end \n",
            $body
        )
    };
}

/// What is known of the stream, and the place of an entry among all that were ever in it.
macro_rules! stream_script {
    ($body:literal) => {
        concat!(
            r"local function ofpairs(list)
  local map={}
  for i=1,#list,2 do map[list[i]]=list[i+1] end
  return map
end
local function before(a,b)
  local am,an=string.match(a,'(%d+)-(%d+)')
  local bm,bn=string.match(b,'(%d+)-(%d+)')
  am,an,bm,bn=tonumber(am),tonumber(an),tonumber(bm),tonumber(bn)
  return am<bm or (am==bm and an<bn)
end
local function stream()
  if redis.call('EXISTS',KEYS[1])==0 then return nil end
  local s=ofpairs(redis.call('XINFO','STREAM',KEYS[1]))
  s.gone=s['entries-added']-s.length
  s.first=s['first-entry'] and s['first-entry'][1]
  s.last=s['last-generated-id']
  return s
end
local function place(s,id)
  if not s then return '0' end
  if id=='$' or id==s.last then return string.format('%.0f',s['entries-added']) end
  if before(s.last,id) then return '-1' end
  if not s.first or before(id,s.first) then return string.format('%.0f',s.gone) end
  return '-1'
end
",
            $body
        )
    };
}

/// Gives entries back to the group, each after its delay.
///
/// Such an entry leaves the pending list for a sorted set, scored by the time when it is due: the
/// pending list knows no future. Its member is the id and how often it was delivered.
///
/// KEYS: events, delayed. ARGV: group, consumer, then for each entry its id, delay, and what is
/// added to the number of its deliveries. Returns for each whether it belonged to the consumer.
pub(crate) const NACK: &str = script!(
    r"local done={}
for i=3,#ARGV,3 do
  local p=redis.call('XPENDING',KEYS[1],ARGV[1],ARGV[i],ARGV[i],1)[1]
  if p and p[2]==ARGV[2] then
    local count=math.max(p[4]+tonumber(ARGV[i+2]),0)
    redis.call('ZADD',KEYS[2],whole(now+tonumber(ARGV[i+1])),ARGV[i]..' '..whole(count))
    redis.call('XACK',KEYS[1],ARGV[1],ARGV[i])
    done[#done+1]=1
  else
    done[#done+1]=0
  end
end
return done"
);

/// Begins the lease of entries anew, if they still belong to the consumer.
///
/// KEYS: events. ARGV: group, consumer, ids. Returns for each whether it was so.
pub(crate) const RENEW: &str = r"local done={}
for i=3,#ARGV do
  local p=redis.call('XPENDING',KEYS[1],ARGV[1],ARGV[i],ARGV[i],1)[1]
  if p and p[2]==ARGV[2] then
    done[#done+1]=#redis.call('XCLAIM',KEYS[1],ARGV[1],ARGV[2],0,ARGV[i],'JUSTID')
  else
    done[#done+1]=0
  end
end
return done";

/// Takes what was given back and is due.
///
/// KEYS: events, delayed. ARGV: group, consumer, how many at most. Returns for each entry its id,
/// the number of its deliveries and its fields, which are missing if it was trimmed; then the time
/// in milliseconds until the next one is due, or -1.
pub(crate) const TAKE_DUE: &str = script!(
    r"local out={}
if tonumber(ARGV[3])>0 then
  for _,m in ipairs(redis.call('ZRANGEBYSCORE',KEYS[2],'-inf',whole(now),'LIMIT',0,ARGV[3])) do
    local id,count=string.match(m,'^(%S+) (%d+)$')
    redis.call('ZREM',KEYS[2],m)
    if id then
      local n=whole(count+1)
      local e=redis.call('XCLAIM',KEYS[1],ARGV[1],ARGV[2],0,id,'RETRYCOUNT',n,'FORCE')[1]
      out[#out+1]={id,n,e and e[2] or false}
    end
  end
end
local first=redis.call('ZRANGE',KEYS[2],0,0,'WITHSCORES')
return {out,first[2] and math.max(first[2]-now,0) or -1}"
);

/// Takes over what its consumer has not settled for a lease: that consumer's, which is at the end of
/// its name.
///
/// KEYS: events. ARGV: group, consumer, the lease of consumers whose names tell none, cursor, how many
/// at most, and how many are looked at, most of which may be in good hands. Returns the next cursor,
/// for each entry its id, the number of its deliveries and its fields, and the ids of those that were
/// trimmed.
pub(crate) const SWEEP: &str = r"local function lease(name)
  return tonumber(string.match(name,'@(%d+)$') or ARGV[3])
end
local least
for _,c in ipairs(redis.call('XINFO','CONSUMERS',KEYS[1],ARGV[1])) do
  if c[4]>0 then least=math.min(least or lease(c[2]),lease(c[2])) end
end
local out,gone={},{}
if not least then return {'0-0',out,gone} end
local rows=redis.call('XPENDING',KEYS[1],ARGV[1],'IDLE',string.format('%.0f',least),ARGV[4],'+',ARGV[6])
local seen=0
for _,p in ipairs(rows) do
  if #out>=tonumber(ARGV[5]) then break end
  seen=seen+1
  if p[3]>=lease(p[2]) then
    local e=redis.call('XCLAIM',KEYS[1],ARGV[1],ARGV[2],0,p[1])[1]
    if e then out[#out+1]={p[1],p[4]+1,e[2]} else gone[#gone+1]=p[1] end
  end
end
local cursor='0-0'
if seen<#rows or #rows>=tonumber(ARGV[6]) then cursor='('..rows[seen][1] end
return {cursor,out,gone}";

/// Begins the leases of entries anew that a consumer has, without counting a delivery.
///
/// KEYS: events. ARGV: group, consumer, then for each entry its id and the number of its deliveries.
/// Returns for each a list of the entry, which is empty if it was trimmed.
pub(crate) const RECLAIM: &str = r"local out={}
for i=3,#ARGV,2 do
  out[#out+1]=redis.call('XCLAIM',KEYS[1],ARGV[1],ARGV[2],0,ARGV[i],'RETRYCOUNT',ARGV[i+1])
end
return out";

/// Forgets what gives no sign of life: groups of one consumer, and consumers that hold nothing.
///
/// A consumer that holds something is never deleted, because that would lose what it holds. A group
/// of one consumer is not destroyed before the server itself has been there for long enough: while it
/// was away, nobody could show life.
///
/// KEYS: events. ARGV: the beginning of solo groups, of their signs of life, of delayed sets, the
/// time after which a consumer is forgotten, the group to look through.
pub(crate) const TIDY: &str = r"if redis.call('EXISTS',KEYS[1])==0 then return 0 end
local info=redis.pcall('INFO','server')
local up=type(info)=='string' and tonumber(string.match(info,'uptime_in_seconds:(%d+)'))
local long=not up or up*1000>tonumber(ARGV[4])
local gone=0
for _,g in ipairs(redis.call('XINFO','GROUPS',KEYS[1])) do
  local name=g[2]
  if string.sub(name,1,#ARGV[1])==ARGV[1] then
    if long and redis.call('EXISTS',ARGV[2]..name)==0 then
      redis.call('XGROUP','DESTROY',KEYS[1],name)
      redis.call('DEL',ARGV[3]..name)
      gone=gone+1
    end
  elseif name==ARGV[5] then
    for _,c in ipairs(redis.call('XINFO','CONSUMERS',KEYS[1],name)) do
      if c[4]==0 and c[6]>tonumber(ARGV[4]) then
        redis.call('XGROUP','DELCONSUMER',KEYS[1],name,c[2])
        gone=gone+1
      end
    end
  end
end
return gone";

/// Makes a group, and tells the server how many entries were before it, as far as that is known: not
/// in the middle of the stream.
///
/// KEYS: events. ARGV: group, the entry after which it begins, or `$`.
pub(crate) const JOIN: &str = stream_script!(
    r"return redis.call('XGROUP','CREATE',KEYS[1],ARGV[1],ARGV[2],'MKSTREAM','ENTRIESREAD',place(stream(),ARGV[2]))"
);

/// Makes a group again that is gone, where it was; from the beginning if the stream, too, is another
/// one than it was.
///
/// KEYS: events. ARGV: group, the last entry that was seen. Returns the entry after which it begins.
pub(crate) const REGROUP: &str = stream_script!(
    r"local s=stream()
local from=ARGV[2]
if before(s and s.last or '0-0',from) then from='0-0' end
redis.call('XGROUP','CREATE',KEYS[1],ARGV[1],from,'MKSTREAM','ENTRIESREAD',place(s,from))
return from"
);

/// Returns what a group has missed since it was asked for: what was trimmed before it was read.
///
/// The server counts what was ever added and what the group has passed. What is gone is older than
/// all that is there; if more is gone than was passed, the rest was missed, and counts as passed from
/// now on, so that it is told once, to one member. A place in the middle of the stream is not known,
/// nor is one before entries that were deleted one by one.
///
/// KEYS: events. ARGV: group. Returns nothing if there is no such group, or the number of what was
/// missed, of what is left to read (-1 if the place is not known), of what is there, how old the last
/// entry is that was read, in milliseconds, and what the gap is between.
pub(crate) const MISSED: &str = stream_script!(
    r"local t=redis.call('TIME')
local s=stream()
if not s then return {} end
for _,list in ipairs(redis.call('XINFO','GROUPS',KEYS[1])) do
  local g=ofpairs(list)
  if g.name==ARGV[1] then
    local read,last=g['entries-read'],g['last-delivered-id']
    local age=t[1]*1000+math.floor(t[2]/1000)-tonumber(string.match(last,'%d+'))
    if not read or before(last,s['max-deleted-entry-id']) then
      return {0,-1,s.length,age,last,s.first or s.last}
    end
    local missed=math.max(s.gone-read,0)
    if missed>0 then
      redis.call('XGROUP','SETID',KEYS[1],ARGV[1],last,'ENTRIESREAD',string.format('%.0f',s.gone))
    end
    local left=math.max(s['entries-added']-read-missed,0)
    return {missed,left,s.length,age,last,s.first or s.last}
  end
end
return {}"
);

/// Removes what is older than a time, by the clock of the server; of very much, a part.
///
/// Whole nodes first, which is quick and can be limited; then what is left in the oldest one.
///
/// KEYS: events. ARGV: the age in milliseconds. Returns how many entries were removed.
pub(crate) const EXPIRE: &str = script!(
    r"local oldest=whole(now-tonumber(ARGV[1]))
local gone=0
for _=1,10 do
  local n=redis.call('XTRIM',KEYS[1],'MINID','~',oldest,'LIMIT',10000)
  gone=gone+n
  if n==0 then return gone+redis.call('XTRIM',KEYS[1],'MINID',oldest) end
end
return gone"
);

/// Makes what a group had that was made again: what was pending is so again, and what was given back
/// is due when it would have been.
///
/// KEYS: events, delayed. ARGV: group, consumer, then for each entry its id, the number of its
/// deliveries, and the time until it is due, or -1 if it was pending. Returns for each whether it is
/// still in the stream, as far as that was looked at.
pub(crate) const RESTORE: &str = script!(
    r"local there={}
for i=3,#ARGV,3 do
  local wait=tonumber(ARGV[i+2])
  if wait<0 then
    there[#there+1]=#redis.call('XCLAIM',KEYS[1],ARGV[1],ARGV[2],0,ARGV[i],'RETRYCOUNT',ARGV[i+1],'FORCE','JUSTID')
  else
    redis.call('ZADD',KEYS[2],whole(now+wait),ARGV[i]..' '..ARGV[i+1])
    there[#there+1]=1
  end
end
return there"
);

/// Deletes a consumer if it holds nothing.
///
/// KEYS: events. ARGV: group, consumer.
pub(crate) const LEAVE: &str = r"if #redis.call('XPENDING',KEYS[1],ARGV[1],'-','+',1,ARGV[2])==0 then
  return redis.call('XGROUP','DELCONSUMER',KEYS[1],ARGV[1],ARGV[2])
end
return -1";

/// Returns who answers requests, and forgets those that gave no sign of life.
///
/// KEYS: responders.
pub(crate) const RESPONDERS: &str = script!(
    r"redis.call('ZREMRANGEBYSCORE',KEYS[1],'-inf',whole(now))
return redis.call('ZRANGE',KEYS[1],0,-1)"
);

/// Says that a responder is there, for some time. Returns the server's time.
///
/// KEYS: responders. ARGV: responder, milliseconds.
pub(crate) const PRESENT: &str = script!(
    r"redis.call('ZADD',KEYS[1],whole(now+tonumber(ARGV[2])),ARGV[1])
return now"
);

/// Queues a request, with the time at which it is over in front.
///
/// KEYS: requests. ARGV: milliseconds, request.
pub(crate) const REQUEST: &str = script!(
    r"redis.call('RPUSH',KEYS[1],whole(now+tonumber(ARGV[1]))..'\n'..ARGV[2])
if redis.call('PTTL',KEYS[1])<tonumber(ARGV[1]) then redis.call('PEXPIRE',KEYS[1],ARGV[1]) end
return 1"
);

/// What is stored of an event that was handled.
pub(crate) const DONE: &str = "done";

/// What [`BEGIN`] returns.
pub(crate) const BEGIN_NEW: u64 = 0;
pub(crate) const BEGIN_TAKEN_OVER: u64 = 1;
pub(crate) const BEGIN_IN_PROGRESS: u64 = 2;
pub(crate) const BEGIN_DONE: u64 = 3;

/// Marks an event as in progress on behalf of one delivery, unless it is done or another one has it.
///
/// The mark is until when, what was returned when it was made, the number of the delivery, and the
/// place of the message. It stays for longer than it holds, to tell who never came to an end.
///
/// KEYS: event. ARGV: place, number of the delivery, milliseconds that it holds, and that it stays.
pub(crate) const BEGIN: &str = script!(
    r"local m=redis.call('GET',KEYS[1])
local answer=0
if m=='done' then return 3 end
if m then
  local untl,first,count,place=string.match(m,'^(%d+) (%d) (%d+) (.*)$')
  local same=place==ARGV[1]
  if same and count==ARGV[2] then
    answer=tonumber(first)
  elseif untl and tonumber(untl)>now and not (same and tonumber(ARGV[2])>tonumber(count)) then
    return 2
  else
    answer=1
  end
end
local mark=whole(now+tonumber(ARGV[3]))..' '..whole(answer)..' '..ARGV[2]..' '..ARGV[1]
redis.call('SET',KEYS[1],mark,'PX',ARGV[4])
return answer"
);

/// Forgets that an event is in progress, if it is so on behalf of this delivery.
///
/// KEYS: event. ARGV: place, number of the delivery.
pub(crate) const RELEASE: &str = r"local m=redis.call('GET',KEYS[1])
if not m then return 0 end
local count,place=string.match(m,'^%d+ %d (%d+) (.*)$')
if count==ARGV[2] and place==ARGV[1] then return redis.call('DEL',KEYS[1]) end
return 0";

/// Begins a call of a script.
pub(crate) fn eval(script: &str, keys: &[&str]) -> Cmd {
    let mut cmd = redis::cmd("EVAL");
    cmd.arg(script).arg(keys.len()).arg(keys);
    cmd
}
