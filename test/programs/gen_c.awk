# Writes a C program of about 40 * functions lines to compile and run:
#
#	awk -v functions=200 -v seed=1 -f gen_c.awk
#
# Structures, loops, switches, strings and floating point, all from one seed;
# the program prints a checksum of what its functions return.  With -v cxx=1
# the functions use the C++ containers instead.

function rnd(n)
{
	seed = (seed * 16807) % 2147483647
	return seed % n
}

function operand(i)
{
	if (rnd(3) == 0)
		return rnd(1000) + 1
	return rnd(2) ? "a" : "s->field" rnd(8)
}

function expression(depth)
{
	if (depth == 0)
		return operand()
	return "(" expression(depth - 1) " " substr("+-*^|&", rnd(6) + 1, 1) \
		" " expression(depth - 1) ")"
}

function c_function(i,  k)
{
	print "struct s" i " { long field0, field1, field2, field3, field4,"
	print "\tfield5, field6, field7; double d[" rnd(8) + 1 "]; };"
	print "static long scale" i "(struct s" i " *s, long a)"
	print "{"
	print "\tlong sum = " expression(4) ";"
	print "\tfor (long i = 0; i < " rnd(60) + 4 "; i++) {"
	print "\t\tsum += (sum ^ i) * " rnd(99) + 1 ";"
	print "\t\ts->d[0] += (double)i / (1 + (sum & 15));"
	print "\t\tif (" expression(2) " & 1)"
	print "\t\t\ts->field" rnd(8) " ^= sum >> " rnd(9) + 1 ";"
	print "\t}"
	print "\treturn sum + (long)s->d[0];"
	print "}"
	print "long function" i "(long a)"
	print "{"
	print "\tstruct s" i " t = { a, 1, 2, 3, 4, 5, 6, 7, { 0 } };"
	print "\tstruct s" i " *s = &t;"
	print "\tconst char *text = \"text of function " i " " rnd(99999) "\";"
	print "\tswitch ((unsigned long)a % 9) {"
	for (k = 0; k < 9; k++)
		print "\tcase " k ": s->field" rnd(8) " = " expression(3) \
			"; break;"
	print "\t}"
	print "\tfor (const char *c = text; *c; c++)"
	print "\t\ts->field0 = s->field0 * 31 + *c;"
	if (i > 0)
		print "\tif (a > 0)\n\t\ta = function" rnd(i) "(a / 2 - 1);"
	print "\treturn scale" i "(s, a) ^ " expression(2) ";"
	print "}"
}

function cxx_function(i)
{
	print "template <typename T> struct node" i " {"
	print "\tstd::map<std::string, std::vector<T>> m;"
	print "\tT add(const std::string &k, T v)"
	print "\t{"
	print "\t\tauto &w = m[k]; w.push_back(v + " rnd(100) ");"
	print "\t\tstd::sort(w.begin(), w.end(),"
	print "\t\t\t[](T a, T b) { return a % " rnd(50) + 2 " < b % 7; });"
	print "\t\treturn std::accumulate(w.begin(), w.end(), T(" rnd(9) "));"
	print "\t}"
	print "};"
	print "long function" i "(long a)"
	print "{"
	print "\tnode" i "<" (rnd(2) ? "long" : "int") "> n;"
	print "\tlong sum = 0;"
	print "\tfor (long k = 0; k < " rnd(30) + 3 "; k++)"
	print "\t\tsum += n.add(std::to_string((a + k) % 5), (a + k) % 99);"
	print "\treturn sum;"
	print "}"
}

BEGIN {
	if (cxx) {
		print "#include <algorithm>\n#include <cstdio>\n#include <map>"
		print "#include <numeric>\n#include <string>\n#include <vector>"
	} else {
		print "#include <stdio.h>"
	}
	for (i = 0; i < functions; i++) {
		if (cxx)
			cxx_function(i)
		else
			c_function(i)
	}
	print "int main(void)\n{\n\tunsigned long sum = 0;"
	for (i = 0; i < functions; i++)
		print "\tsum = sum * 31 + (unsigned long)function" i "(" i ");"
	print "\tprintf(\"%lx\\n\", sum);\n\treturn 0;\n}"
}
