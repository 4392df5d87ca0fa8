"""English clauses, as a recogniser writes them: cut off in the middle, and whole."""

UNFINISHED = """
I would like to reserve a room for
The flight leaves from
My doctor said that I
Tell him we are
What time does the
I've been waiting since
Could you tell my wife that
Where can I find the
The keys are under the
You can reach me at
We talked about how
If you have the time
Please let me know when
Our neighbours are going to
It was so cold that we
Is it true that
I need some advice on how to
The film was about a
When I was a child
He works for
I was about to say that
Can I have the
Let's meet in front of
The only thing is
For dinner I want
I guess we could
Last summer we went to
What I wanted to know is
She is better than
My favourite colour has always been
Do you think that I
As far as
I usually go there with
There must be
And then the
We should definitely
I'm not sure whether
They live next door to
How would you
The first thing you need is
It would be great if you
Let me see, um
Unless you want
I have two brothers and
This is because
Before we begin, could
Take the second road on your
Make a list of
How long does it take to
I can never remember where
The weather forecast says that it
She asked me why you
It costs less than
Give me an example of
Whenever he calls
Would you like
Put it behind the
The answer is not
I don't like it when
You might want to
For example
Somebody has to
What we could do, I mean
""".strip().splitlines()

FINISHED = """
That is enough for today.
I want it.
Ask him who he was with.
Can you turn the radio on?
Turn the kitchen light on.
Switch it on.
Tell me where the keys are.
I know what you want.
We have everything we need.
What are you thinking?
What is the weather like?
She told me what it was.
Nobody knew.
Please come in.
I disagree.
Two coffees to go.
You did it.
I will do that.
She is not as tall as you are.
Go on.
Find out who it is.
Book a table for two.
How are you?
It does not matter to me.
That depends.
Is this the right way?
Remind me tomorrow.
Let me sleep.
I never said that.
It was him.
What is that?
I was told that you were closed.
He is the one I like.
I have a cat.
Do you know where they are?
My train is late again.
Stop the music now.
I am cold.
When does the shop open?
Once a week.
While I was there, it rained.
If it rains, we stay at home.
Yes, I am.
Because I like it.
Read me the news.
No, it is the other one.
I am looking for a hotel.
The meeting is at ten.
I do not want any more.
Where do you come from, Anna?
Sounds like a plan.
Nice to meet you.
Open the window a little.
Who said that?
We did.
She is my sister.
What should I wear tonight?
They are all gone.
I would rather stay.
Everything I have is yours.
It is what it is.
Cancel my order.
That is the way I like it.
""".strip().splitlines()
